"""The source `shapes`: generated pictures of coated bodies before a cluttered background, with 3-class trimaps.

Row `shape-000017` has the columns `image` (PNG, size × size × 3) and `mask` (PNG, size × size: class indices).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from evergreen.adapters.shapes.settings import ShapesSettings
from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity
from evergreen.core.members import ReadSource
from evergreen.data.dataset import write_dataset


class ShapesSource(ReadSource[ShapesSettings]):
    """Mask values: 0 body, 1 background, 2 border (a sixteenth of the size wide, along the outline of what is seen)."""

    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        """The fields: they decide every pixel. Raises InputError for a window, since pictures have no time."""
        self.settings.check_window(window)
        given = self.settings
        content = json.dumps(given.model_dump(), sort_keys=True)
        return SourceIdentity(
            kind=given.kind,
            fingerprint=hashlib.sha256(content.encode()).hexdigest(),
            description=f"{given.count:,} generated pictures of {given.size} x {given.size} pixels, seed {given.seed}",
            rows=given.count,
        )

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        """The pictures as Parquet shards below `out_dir`. Raises InputError for a window."""
        from evergreen.adapters.shapes.draw import drawn

        identity = self.identity(window)
        given = self.settings
        return write_dataset(drawn(given.seed, given.size, given.count), out_dir, identity)
