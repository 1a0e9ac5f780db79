"""Files: their bytes on disk, the text in them, and the work of cutting it into chunks.

The way of the data, and who owns what:

    upload -> folder.py (bytes) -> the row of the file       event loop; each write on the files' thread
              large.py                                       the same in PostgreSQL, by its threads
    file + store -> a row `in_progress` -> ingest.py         one queue, a few files at a time
    bytes -> text -> chunks                                  extract.py, in a child process but for small
                                                             texts; limits on time, memory and output
    chunks -> rows -> the words' index                       in one transaction each, by the database
    question -> ../search -> chunks with scores              a read, and vectors compared beside it

Bytes are there before their row and go after it, so that a row always has its file; what a killed
server left without a row is swept away at the next start, or by others after an hour. Chunks belong to the row "file in store",
and are found once that is `completed`.
"""
