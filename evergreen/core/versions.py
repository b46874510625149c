"""Model versions and their aliases, as the record and its mirrors hold them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from evergreen.core.base import Frozen


class Alias(StrEnum):
    """What a version is to its model."""

    CANDIDATE = "candidate"
    CHAMPION = "champion"
    PREVIOUS = "previous"


class ModelVersion(Frozen):
    """One immutable registered version.

    `version` is the content-hash name, `artifact` where its trained model is kept, `report` where its evaluation is,
    `recipe` the hash of the data identity, configuration and code that it was trained from, `judged_against` the
    champion of that evaluation, `examples` instances that it must answer before it gets traffic, `mirrors` the number
    each mirror gave it, `leader` says which baseline scores better than it (None: none does), `requires` is the package
    that its kind of task is from (None: it is shipped), `coverage` where it is kept which rows the version and
    those that it goes back to were trained on (None: that is not known).
    """

    version: str
    artifact: str
    report: str
    recipe: str
    run: str
    judged_against: str | None
    metrics: dict[str, float]
    examples: tuple[dict[str, Any], ...]
    mirrors: dict[str, str] = {}
    leader: str | None = None
    requires: str | None = None
    coverage: str | None = None


class RecordState(Frozen):
    """All versions of one model, oldest first, which version each alias names, and which were withdrawn by hand."""

    versions: tuple[ModelVersion, ...] = ()
    aliases: dict[Alias, str] = {}
    rolled_back: tuple[str, ...] = ()

    def find(self, version: str | None) -> ModelVersion | None:
        """The version by name."""
        return next((one for one in self.versions if one.version == version), None)

    def named(self, alias: Alias) -> ModelVersion | None:
        """The version that an alias names."""
        return self.find(self.aliases.get(alias))


class MirrorState(Frozen):
    """What a mirror holds: its own number by version, and the version each alias names."""

    versions: dict[str, str] = {}
    aliases: dict[Alias, str] = {}
