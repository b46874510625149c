"""Where predictions are written as files.

kind: files
path: gs://news/predictions            # a folder of Parquet files, one a shard

kind: files
path: predictions/labelled.csv.gz      # one table: .csv, .tsv, .jsonl or .parquet, text also with .gz
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import ClassVar, Literal

from pydantic import Field

from evergreen.core.kinds import Settings


class FilesOutput(Settings):
    """One table where `path` names a file, else a folder of Parquet files; `gs://…` is in a bucket."""

    writing: ClassVar[str] = "evergreen.adapters.files.predictions:FilesPredictions"

    kind: Literal["files"] = "files"
    path: str = Field(min_length=1)

    @property
    def is_table(self) -> bool:
        """Whether it is one file."""
        return bool(PurePosixPath(self.path).suffix) and not self.path.endswith("/")
