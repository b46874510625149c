"""A log in a folder of this machine, read while servers write it.

for batch in FolderLog(folder).read(window): …
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evergreen.core.artifacts import ResolvedWindow
from evergreen.requestlog.parts import SKIPPED
from evergreen.requestlog.spool import LINES, PARQUET

if TYPE_CHECKING:
    import pyarrow as pa

LATE_S = 2.0
"""A server notes a request once it is answered, and held-back refusals of a second once that is over."""


@dataclass(frozen=True)
class FolderLog:
    """The `RequestLog` in this folder; one that is not there is empty."""

    folder: Path
    late_s: float = LATE_S
    keeps_inputs: bool = False

    def read(self, window: ResolvedWindow) -> FolderRows:
        """The rows of requests that came in the window."""
        return FolderRows(self.folder, window)


class FolderRows:
    """The rows, file by file; `skipped` counts damaged lines and parts once all are read."""

    def __init__(self, folder: Path, window: ResolvedWindow) -> None:
        self.skipped = 0
        self._folder = folder
        self._window = window

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Batches of at most some thousand rows, in no order of time."""
        self.skipped = 0
        stems = {path.stem for kind in (LINES, PARQUET) for path in self._folder.glob(f"[!.]*{kind}")}
        for stem in sorted(stems):
            yield from self._of(stem)

    def _of(self, stem: str) -> Iterator[pa.RecordBatch]:
        """The rows of one file, which may become a part just now."""
        part, lines = (self._folder / f"{stem}{kind}" for kind in (PARQUET, LINES))
        try:
            file = None if part.exists() else lines.open("rb")
        except FileNotFoundError:
            file = None  # it is a part by now, or was removed for its age
        if file is None:
            yield from self._of_part(part)
            return
        with file:
            yield from self._of_lines(file)

    def _of_lines(self, file: Any) -> Iterator[pa.RecordBatch]:
        from evergreen.requestlog.arrow import Batches, within

        batches = Batches(file)
        for batch in batches:
            if (wanted := within(batch, self._window)).num_rows:
                yield wanted
        self.skipped += batches.skipped

    def _of_part(self, part: Path) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        from evergreen.requestlog.arrow import BATCH_ROWS, within

        try:
            with pq.ParquetFile(part) as file:
                self.skipped += int((file.metadata.metadata or {}).get(SKIPPED, b"0"))
                groups = [group for group in range(file.num_row_groups) if self._may_hold(file.metadata, group)]
                for batch in file.iter_batches(BATCH_ROWS, row_groups=groups):
                    if (wanted := within(batch, self._window)).num_rows:
                        yield wanted
        except FileNotFoundError:
            return
        except (pa.ArrowInvalid, OSError):
            self.skipped += 1

    def _may_hold(self, metadata: Any, group: int) -> bool:
        """Whether a row group may have rows of the window, by the statistics of `time`, its first column."""
        statistics = metadata.row_group(group).column(0).statistics
        if statistics is None or not statistics.has_min_max:
            return True
        return bool(statistics.max >= self._window.start and statistics.min < self._window.end)
