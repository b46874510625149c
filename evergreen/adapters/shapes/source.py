"""The source `shapes`: generated pictures of coated bodies before a cluttered background, with 3-class trimaps.

kind: shapes
count: 3000
size: 128
seed: 0

Row `shape-000017` has the columns `image` (PNG, size × size × 3) and `mask` (PNG, size × size: class indices).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import Field

from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity
from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.data.dataset import write_dataset


class ShapesSource(Frozen):
    """`count` pictures of `size` × `size` pixels. A picture follows from seed, size and its number alone, so that a
    larger count adds pictures and changes none.

    Mask values: 0 body, 1 background, 2 border (a sixteenth of the size wide, along the outline of what can be seen).
    """

    kind: Literal["shapes"] = "shapes"
    count: int = Field(3_000, ge=1, le=1_000_000)
    size: int = Field(128, ge=32, le=1_024)
    seed: int = Field(0, ge=0)

    @property
    def mapping(self) -> dict[str, str]:
        """Column by canonical name, as other sources have it."""
        return {"image": "image", "mask": "mask"}

    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        """The fields: they decide every pixel. Raises InputError for a window, since pictures have no time."""
        if window is not None:
            raise InputError("generated pictures have no time that a window could choose by; remove parameters.window")
        content = json.dumps(self.model_dump(), sort_keys=True)
        return SourceIdentity(
            kind=self.kind,
            fingerprint=hashlib.sha256(content.encode()).hexdigest(),
            description=f"{self.count:,} generated pictures of {self.size} x {self.size} pixels, seed {self.seed}",
            rows=self.count,
        )

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        """The pictures as Parquet shards below `out_dir`. Raises InputError for a window."""
        from evergreen.adapters.shapes.draw import drawn

        identity = self.identity(window)
        return write_dataset(drawn(self.seed, self.size, self.count), out_dir, identity)
