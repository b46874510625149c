"""Model versions as the record and its mirrors hold them, how aliases move, and what makes a mirror follow the record.

reconcile(record, mirror)  ->  (Register(version="3fa41c…"), SetAlias(alias="champion", version="3fa41c…"))

All of it is pure, so that every case is a table row.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from evergreen.core.approval import Question
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError, InputError


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
    those that it goes back to were trained on, `held_out` where, which they were tested on or selected by (None: that
    is not known), `engines` where its graphs are kept, `reference` where, what its requests are
    compared with (None: an earlier release made none).
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
    held_out: str | None = None
    engines: str | None = None
    reference: str | None = None


class RecordState(Frozen):
    """All versions of one model, oldest first, which version each alias names, which were withdrawn by hand, and what
    persons were asked about which version.
    """

    versions: tuple[ModelVersion, ...] = ()
    aliases: dict[Alias, str] = {}
    rolled_back: tuple[str, ...] = ()
    questions: dict[str, Question] = {}

    def find(self, version: str | None) -> ModelVersion | None:
        """The version by name."""
        return next((entry for entry in self.versions if entry.version == version), None)

    def withdrawn(self, version: ModelVersion) -> str | None:
        """The version that was withdrawn by hand and is this one, or comes of its recipe; None: there is none."""
        if version.version in self.rolled_back:
            return version.version
        held = (entry for entry in self.versions if entry.version in self.rolled_back)
        return next((entry.version for entry in held if entry.recipe == version.recipe), None)

    def named(self, alias: Alias) -> ModelVersion | None:
        """The version that an alias names."""
        return self.find(self.aliases.get(alias))


class MirrorState(Frozen):
    """What a mirror holds: its own number by version, and the version each alias names."""

    versions: dict[str, str] = {}
    aliases: dict[Alias, str] = {}


class Register(Frozen):
    """The mirror lacks this version."""

    version: str


class SetAlias(Frozen):
    """The alias has to name this version; None removes it."""

    alias: Alias
    version: str | None


Action = Register | SetAlias


def reconcile(record: RecordState, mirror: MirrorState) -> tuple[Action, ...]:
    """What the mirror still needs: registrations of versions that carry an alias, then aliases; empty when it follows.

    Versions without an alias are not brought back: their artifacts may be gone.
    """
    wanted = {alias: held.version for alias in Alias if (held := record.named(alias))}
    named = set(wanted.values())
    missing = [
        entry.version for entry in record.versions if entry.version in named and entry.version not in mirror.versions
    ]
    moves = [
        SetAlias(alias=alias, version=wanted.get(alias))
        for alias in Alias
        if wanted.get(alias) != mirror.aliases.get(alias)
    ]
    return (*(Register(version=version) for version in missing), *moves)


def nominate(state: RecordState, version: str) -> tuple[SetAlias, ...]:
    """Moves that make the version the candidate; none when it is, or is champion already.

    Raises:
        InputError: the record does not hold the version.
    """
    _require(state, version)
    if version in (state.aliases.get(Alias.CANDIDATE), state.aliases.get(Alias.CHAMPION)):
        return ()
    return (SetAlias(alias=Alias.CANDIDATE, version=version),)


def crown(state: RecordState, version: str) -> tuple[SetAlias, ...]:
    """Moves that make the version champion and the old champion previous, in an order that a crash may cut anywhere.

    `previous` moves first: a run that died in between finds the old champion still named and repeats the rest.

    Raises:
        InputError: the record does not hold the version.
    """
    _require(state, version)
    moves: list[SetAlias] = []
    champion = state.aliases.get(Alias.CHAMPION)
    if champion != version:
        if champion is not None and champion != state.aliases.get(Alias.PREVIOUS):
            moves.append(SetAlias(alias=Alias.PREVIOUS, version=champion))
        moves.append(SetAlias(alias=Alias.CHAMPION, version=version))
        if champion is None and state.aliases.get(Alias.PREVIOUS) == version:
            moves.append(SetAlias(alias=Alias.PREVIOUS, version=None))
    if state.aliases.get(Alias.CANDIDATE) == version:
        moves.append(SetAlias(alias=Alias.CANDIDATE, version=None))
    return tuple(moves)


def roll_back(state: RecordState) -> tuple[ModelVersion, ModelVersion]:
    """The champion to withdraw and the version to go back to, which change places.

    Raises:
        EvergreenError: there is no champion, or no other version to go back to: what was asked for was right.
    """
    champion, previous = state.named(Alias.CHAMPION), state.named(Alias.PREVIOUS)
    if champion is None:
        raise EvergreenError("no champion to roll back from; run the pipeline until a version is live")
    if previous is None or previous.version == champion.version:
        raise EvergreenError(
            f"no version before champion {champion.version} to roll back to; "
            f"a second version has to become champion first"
        )
    return champion, previous


def _require(state: RecordState, version: str) -> None:
    if state.find(version) is None:
        held = ", ".join(entry.version for entry in state.versions) or "none"
        raise InputError(f"version {version} is not in the record (has: {held}); register it first")
