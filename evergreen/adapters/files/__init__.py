"""Files on this machine or in a bucket.

CSV, JSON Lines, Parquet, text folders with one folder per class, folders of pictures with masks, and TFRecord.
"""

from evergreen.adapters.files.source import FilesSource

__all__ = ["FilesSource"]
