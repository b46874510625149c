"""Files on this machine or in a bucket: CSV, JSON Lines, Parquet, and text folders with one folder per class."""

from evergreen.adapters.files.source import FilesSource

__all__ = ["FilesSource"]
