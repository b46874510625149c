"""Files on this machine or in a bucket.

CSV, JSON Lines, Parquet, text folders with one folder per class, and folders of pictures with masks.
"""

from evergreen.adapters.files.source import FilesSource

__all__ = ["FilesSource"]
