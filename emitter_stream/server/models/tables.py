"""The scripted model's program for a table: it draws its numbers and sums them up."""

from __future__ import annotations

_PROGRAM = """
import csv, struct, zlib

with open("/mnt/data/{file_id}", newline="", encoding="utf-8-sig") as file:
    head, *rows = list(csv.reader(file))[:1000]
columns = {{}}
for place, name in enumerate(head):
    try:
        columns[name] = [float(row[place]) for row in rows]
    except (ValueError, IndexError):
        pass
print(len(rows), "rows,", len(columns), "columns of numbers")

with open("/mnt/data/summary.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["column", "least", "mean", "most"])
    for name, found in columns.items():
        table.writerow([name, min(found), sum(found) / len(found), max(found)])
print("written: sandbox:/mnt/data/summary.csv")

name, found = next(iter(columns.items()), ("", []))
try:
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    pyplot.bar(range(len(found)), found)
    pyplot.title(name)
    pyplot.savefig("/mnt/data/plot.png")
except ImportError:
    # Bars by hand: a PNG is its rows, packed.
    found, height = found[:200], 160
    top = max(map(abs, found), default=1) or 1
    bars = [round(abs(value) / top * (height - 10)) for value in found]
    lines = [
        b"".join((b"\\x30" if bar >= height - y else b"\\xff") * 12 + b"\\xff" * 4 for bar in bars)
        for y in range(height)
    ]
    def part(kind, data):
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))
    size = struct.pack(">IIBBBBB", 16 * len(bars), height, 8, 0, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\\0" + line for line in lines))
    with open("/mnt/data/plot.png", "wb") as file:
        file.write(b"\\x89PNG\\r\\n\\x1a\\n" + part(b"IHDR", size) + part(b"IDAT", packed))
        file.write(part(b"IEND", b""))
"""


def table_code(file_id: str) -> str:
    """Return a program that reads a table from a file, draws it and writes a summary."""
    return _PROGRAM.format(file_id=file_id).lstrip()
