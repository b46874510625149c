"""What fields of a configuration say together, checked beside the fields themselves: one mistake hides no other.

line 12: parameters.rollout.judge: a judge is given and shares is [], so no version would ever be judged; …
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evergreen.adapters.kinds import AnySource
from evergreen.core.errors import InputError
from evergreen.core.members import SourceSettings
from evergreen.core.quality import METRICS
from evergreen.core.ramp import Ramp
from orchestration.document import Document
from orchestration.mistakes import Mistake, YamlPath, unknown

SOURCE: YamlPath = ("parameters", "source")
REFRESH: YamlPath = ("parameters", "refresh")
ROLLOUT: YamlPath = ("parameters", "rollout")
LABELS: YamlPath = ("parameters", "labels")
FLOORS: YamlPath = ("parameters", "quality", "floors")


@dataclass(frozen=True)
class Given:
    """The configuration as written, its parameters as far as they could be read, and the places of mistakes in it."""

    document: Document
    parameters: Mapping[str, Any]
    wrong: frozenset[YamlPath]

    def is_sound(self, path: YamlPath) -> bool:
        """Whether no mistake lies at the path, or below."""
        return not any(place[: len(path)] == path for place in self.wrong)

    def written(self, path: YamlPath) -> Mapping[str, Any]:
        """The mapping at the path; empty where there is none."""
        node: Any = self.document.values
        for part in path:
            node = node.get(part) if isinstance(node, Mapping) else None
        return node if isinstance(node, Mapping) else {}

    def sound_part(self, path: YamlPath) -> dict[str, Any]:
        """The mapping at the path without the fields, at any depth, that hold a mistake."""
        kept: dict[str, Any] = {}
        for key, value in self.written(path).items():
            inside = (*path, key)
            if isinstance(value, Mapping) and inside not in self.wrong:
                kept[key] = self.sound_part(inside)
            elif self.is_sound(inside):
                kept[key] = value
        return kept


def check_together(
    document: Document, parameters: Mapping[str, Any], mistakes: Collection[Mistake]
) -> Iterator[Mistake]:
    """The mistakes beside those of single fields, which are `mistakes`; where one of those is told nothing more is."""
    given = Given(document, parameters, frozenset(mistake.path for mistake in mistakes))
    for check in (_check_refresh, _check_rollout, _check_labels, _check_floors):
        yield from check(given)


def _check_refresh(given: Given) -> Iterator[Mistake]:
    """Which rows a run reads, against its window and its source."""
    parameters = given.parameters
    if "refresh" not in parameters:
        return
    yield from _check_incremental(given)
    needed = ("source", "window", "backfill")
    if not all(given.is_sound(("parameters", name)) for name in needed):
        return
    source, window, backfill = (parameters[name] for name in needed)
    if given.is_sound(REFRESH):
        try:
            parameters["refresh"].policy(window)
        except InputError as error:
            yield Mistake(REFRESH, str(error))
    try:
        source.check_window(backfill.window if backfill else window.resolve() if window else None)
    except InputError as error:
        yield Mistake(("parameters", "backfill" if backfill else "window"), str(error))


def _check_incremental(given: Given) -> Iterator[Mistake]:
    """Whether the source tells which rows are new, where those are to be read, whatever else is wrong with it."""
    if given.written(REFRESH).get("data") != "incremental" or not given.is_sound((*SOURCE, "columns")):
        return
    sources: TypeAdapter[SourceSettings] = TypeAdapter(AnySource)
    try:
        source = given.parameters.get("source") or sources.validate_python(given.sound_part(SOURCE))
        source.check_incremental()
    except ValidationError:  # a field that is missing, say: told at its place
        return
    except InputError as error:
        yield Mistake((*REFRESH, "data"), str(error))


def _check_rollout(given: Given) -> Iterator[Mistake]:
    """What a rollout asks for that cannot be or would never count, and what it asks of the host."""
    if "rollout" not in given.parameters:
        return
    written, host = given.written(ROLLOUT), given.parameters.get("host")
    is_asked = written.get("shadow") is not None and (*ROLLOUT, "shadow") not in given.wrong
    if host is not None and is_asked and not host.shadows:
        reason = f"a host of kind {host.kind} copies no requests (allowed: local_endpoint); leave shadow out"
        yield Mistake((*ROLLOUT, "shadow"), reason)
    try:
        ramp = Ramp.model_validate(given.sound_part(ROLLOUT))
    except ValidationError:  # a field that is missing, say: told at its place
        return
    for complaint in ramp.complaints():
        if all(given.is_sound((*ROLLOUT, *path)) for path in complaint.reads):
            yield Mistake((*ROLLOUT, *complaint.path), complaint.reason)


def _check_labels(given: Given) -> Iterator[Mistake]:
    """Whether the source of monitoring's labels tells whose they are, and names nothing that labels have not."""
    if "labels" not in given.parameters:
        return
    from evergreen.monitoring.label_rows import NAMES, columns_of

    columns = (*LABELS, "columns")
    misnamed = [key for key in given.written(columns) if key not in NAMES and given.is_sound((*columns, key))]
    yield from (unknown((*columns, key), "key", NAMES) for key in misnamed)
    labels = given.parameters["labels"]
    if labels is None or misnamed:
        return
    try:
        columns_of(labels)
    except InputError as error:
        yield Mistake(LABELS, str(error))


def _check_floors(given: Given) -> Iterator[Mistake]:
    """Whether labels measure what has a floor."""
    for name in given.written(FLOORS):
        if "quality" in given.parameters and name not in METRICS and given.is_sound((*FLOORS, name)):
            yield unknown((*FLOORS, name), f"metric {str(name)!r}", METRICS)
