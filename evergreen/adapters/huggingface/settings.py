"""The settings of the source `huggingface`: a data set on the Hugging Face Hub, or in a folder laid out like one.

kind: huggingface
name: fancyzhx/ag_news
splits: [train, test]

kind: huggingface
name: our-lab/oxford-iiit-pet-trimaps
splits: [train, test]
columns: {image: image, mask: trimap, split: split}
mask_classes: {1: 0, 2: 1, 3: 2}
"""

from __future__ import annotations

from typing import ClassVar, Literal

from evergreen.core.members import SourceSettings
from evergreen.data.row_fields import RowFields


class HuggingFaceSettings(RowFields, SourceSettings):
    """Rows of a Hub data set; class labels become their names unless `label_names` says otherwise.

    `config_name` is the Hub's subset, `revision` a branch, tag or commit, `token_env` the name of the environment
    variable that holds an access token. All of `splits` are read: the split step shares rows out itself, unless
    `columns.split` keeps the data set's splits (`split` is each one's name where no column has that name).
    """

    source: ClassVar[str] = "evergreen.adapters.huggingface.source:HuggingFaceSource"
    fetching: ClassVar[frozenset[str]] = frozenset({"token_env"})
    places: ClassVar[frozenset[str]] = RowFields.places | fetching | {"revision"}  # the commit that it names counts

    kind: Literal["huggingface"] = "huggingface"
    name: str
    config_name: str | None = None
    splits: tuple[str, ...] = ("train",)
    revision: str | None = None
    token_env: str | None = None

    @property
    def read_from(self) -> dict[str, str]:
        """The data set, its subset and its splits, at whatever commit."""
        subset = {"config_name": self.config_name} if self.config_name else {}
        return {"kind": self.kind, "name": self.name, **subset, "splits": ", ".join(self.splits)}

    @property
    def shaped_by(self) -> dict[str, str]:
        """The fields that shape rows, but for those that tell where they are."""
        return {
            name: value for name, value in super().shaped_by.items() if name not in (*self.read_from, "config_name")
        }

    def check_incremental(self) -> None:
        """Raises InputError where no columns tell which rows are new."""
        self.check_arrivals()
