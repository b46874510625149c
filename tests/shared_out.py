"""What becomes of each row of a lineage: trained on, held out, or set aside, against a comparison of all texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pyarrow as pa

from evergreen.core.artifacts import Dataset, FileEntry, HeldOut, SplitName, Splits, SplitsManifest
from evergreen.data.held_out import held_out_after
from evergreen.data.shards import ShardWriter, iter_batches, regroup
from evergreen.data.split import share_out
from evergreen.data.split_plan import CODES, Assignment, SplitPlan

PLAN = SplitPlan(train=0.5, validation=0.25, test=0.25)
WORDS = 20
SIMILARITY = 0.8

Key = tuple[str, float | None]
"""Of a row: its id, and when it arrived."""


def words(number: int) -> str:
    """A text that is like no other."""
    return " ".join(f"w{number}x{place}" for place in range(WORDS))


def alike(one: str, other: str) -> bool:
    """Whether two texts are equal or near duplicates."""
    ours, theirs = (set(pairwise([*text.split(), ""])) for text in (one, other))
    return len(ours & theirs) / len(ours | theirs) >= SIMILARITY


@dataclass(frozen=True)
class RunOfRows:
    """The keys of the rows that a run has `read`, in order, those that are `new`, and every text; `folder` is to keep
    what is held out.
    """

    dataset: Dataset
    read: Sequence[Key]
    new: Set[Key]
    texts: Mapping[Key, str]
    folder: Path

    def like(self, keys: Set[Key], others: Iterable[Key]) -> set[Key]:
        """Those that are like one of the others but themselves."""
        texts = {other: self.texts[other] for other in others}
        return {key for key in keys if any(other != key and alike(self.texts[key], texts[other]) for other in texts)}


@dataclass(frozen=True)
class Lineage:
    """Of a version and those that it goes back to: rows that were trained on when they were new, and the split of those
    that were held out; all others were set aside.
    """

    held_out: HeldOut | None = None
    held: Mapping[Key, str] = field(default_factory=dict)
    trained: frozenset[Key] = frozenset()

    def after(self, run: RunOfRows, counts: Counter[str]) -> Lineage:
        """The lineage of the run's version.

        Raises AssertionError where a row is trained on that is like a held-out one, or is set aside without a reason.
        """
        codes = share_out(run.dataset, PLAN, held_out=self.held_out)
        places = {key: CODES[code] for key, code in zip(run.read, codes, strict=True) if code < len(CODES)}
        held = {key: name for key, name in places.items() if name != SplitName.TRAIN}
        trained, aside = places.keys() - held.keys(), set(run.read) - places.keys()
        after = {**held, **self.held}
        assert not run.like(trained, after), "trained on what is like a held-out row"
        by_text = {run.texts[key]: name for key, name in self.held.items()}
        equal = {key for key in run.read if run.texts[key] in by_text}
        assert not run.like(run.new & places.keys() - equal, self.held), "held out twice"
        kept = {run.texts[key]: places[key] for key in equal & places.keys()}
        assert kept == {run.texts[key]: by_text[run.texts[key]] for key in equal}, "moved"
        assert aside == run.like(aside, {*run.read, *self.held}), "set aside for nothing"
        assert not [key for key, name in places.items() if self.held.get(key, name) != name], "moved"
        counts["new trained on"] += len(trained & run.new)
        counts["new held out"] += len(held.keys() & run.new - equal)
        counts["new that equal held-out ones"] += len(run.new & equal)
        counts["new set aside"] += len(aside & run.new)
        counts["replayed and set aside"] += len(aside - run.new)
        with TemporaryDirectory() as scratch:
            splits = _splits_of(run.dataset, codes, Path(scratch))
            held_out = held_out_after(splits, run.dataset.manifest.columns, self.held_out, run.folder / uuid4().hex)
        assert held_out.manifest.rows == len({run.texts[key] for key in after})
        return Lineage(held_out, after, self.trained | (trained & run.new))


def _splits_of(dataset: Dataset, codes: Assignment, path: Path) -> Splits:
    """The splits that the codes of the rows make, of which some may be empty."""
    entries: list[FileEntry] = []
    for code, name in enumerate(CODES):
        with ShardWriter(path, name) as writer:
            first = 0
            for batch in iter_batches(dataset.shards):
                chosen = pa.array(codes[first : first + batch.num_rows] == code)
                first += batch.num_rows
                for table in regroup([batch.filter(chosen)]):
                    writer.write(table)
        entries += writer.entries
    manifest = SplitsManifest(files=tuple(entries), dataset="0" * 64, seed=0, rows={}, labels={}, removed={})
    return Splits.write(path, manifest)
