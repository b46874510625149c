"""Rows on disk: Parquet shards, the canonical columns, duplicates and splits; memory does not grow with rows."""
