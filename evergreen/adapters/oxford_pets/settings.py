"""The fields of the source `oxford_pets`: where the archives of Oxford-IIIT Pet lie, as they are published.

kind: oxford_pets
path: gs://pets/raw     # holds images.tar.gz and annotations.tar.gz
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from evergreen.adapters.files.settings import Place
from evergreen.core.members import SourceSettings
from evergreen.data.row_fields import Joined, MaskValue, RowFields

COLUMNS = ("image", "trimap", "split", "breed", "species")


class OxfordPetsSettings(RowFields, SourceSettings):
    """Photos of cats and dogs with their trimaps; `path`, on this machine or in a bucket, holds the two archives.

    A trimap's values 1 (pet), 2 (background) and 3 (border) become the classes 0, 1 and 2. `split` is `train` or
    `test`, as the data set gives them.
    """

    source: ClassVar[str] = "evergreen.adapters.oxford_pets.source:OxfordPetsSource"
    places: ClassVar[frozenset[str]] = RowFields.places | {"path"}

    kind: Literal["oxford_pets"] = "oxford_pets"
    path: Place
    columns: dict[str, str | Joined] = {
        "image": "image",
        "mask": "trimap",
        "split": "split",
        "breed": "breed",
        "species": "species",
    }
    mask_classes: Annotated[dict[MaskValue, MaskValue], Field(min_length=1)] | None = {1: 0, 2: 1, 3: 2}
