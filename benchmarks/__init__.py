"""What a delta costs here, at the official SDKs and in a bare loop: ``python -m benchmarks``."""
