"""What the source `shapes` is asked for.

kind: shapes
count: 3000
size: 128
seed: 0
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from evergreen.core.errors import InputError
from evergreen.core.members import SourceSettings

if TYPE_CHECKING:
    from evergreen.core.artifacts import ResolvedWindow


class ShapesSettings(SourceSettings):
    """`count` pictures of `size` × `size` pixels. A picture follows from seed, size and its number alone, so that a
    larger count adds pictures and changes none.
    """

    source: ClassVar[str] = "evergreen.adapters.shapes.source:ShapesSource"

    kind: Literal["shapes"] = "shapes"
    count: int = Field(3_000, ge=1, le=1_000_000)
    size: int = Field(128, ge=32, le=1_024)
    seed: int = Field(0, ge=0)

    @property
    def mapping(self) -> dict[str, str]:
        """Column by canonical name, as other sources have it."""
        return {"image": "image", "mask": "mask"}

    def check_window(self, window: ResolvedWindow | None) -> None:
        """Raises InputError for a window, since pictures that are drawn have no time."""
        if window is not None:
            raise InputError("generated pictures have no time that a window could choose by; leave the window out")
