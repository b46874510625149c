"""Rows that repeat others, without any worker knowing them all.

Of rows with the same content the one with the smallest id stays (the shortest, then by its letters). A text is also a
repetition when it is as similar to a text of a smaller id as `near_duplicates` says: both share one of their rarest
word pairs then (see evergreen.data.duplicates.texts), so only texts that meet in one are compared, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import numpy as np

from evergreen.core.errors import EvergreenError
from evergreen.core.intake import IntakeCount
from evergreen.core.members import examinable
from evergreen.data.duplicates.keys import content_keys, normalise, picture_keys
from evergreen.data.duplicates.similarity import word_pairs
from evergreen.data.duplicates.texts import rarest_pairs
from evergreen.preparation.plan import Part, Plan

if TYPE_CHECKING:
    import pyarrow as pa

Reference = tuple[int, str, int, int]
"""Orders rows by id, shortest first, and finds them: length of the id, id, part, place in the part."""
Signed = tuple[int, tuple[Reference, bytes]]
"""Key of the content; reference; distinct word pairs (sorted uint32 as bytes, empty where nobody compares them)."""

COUNTERS = 1 << 18
_PLACE = "__place__"


class Repetitions(beam.PTransform):  # type: ignore[misc]
    """Parts → (number of a part, place of a row in it that repeats another row)."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def expand(self, parts: Any) -> Any:
        """Exact repetitions, and with `near_duplicates` those among the rest."""
        similarity = self._plan.preparation.near_duplicates
        groups = (
            parts
            | "Spread to read" >> beam.Reshuffle()
            | "Sign" >> beam.FlatMap(_signed, self._plan)
            | "Same content" >> beam.GroupByKey()
            | "In order" >> beam.Map(lambda group: sorted(group[1]))
        )
        repeated = groups | "Exact" >> beam.FlatMap(lambda rows: [_place(row[0]) for row in rows[1:]])
        if similarity is None:
            return repeated
        distinct = groups | "One each" >> beam.Map(lambda rows: rows[0])
        return (repeated, distinct | _Near(similarity)) | "Both" >> beam.Flatten()


class _Near(beam.PTransform):  # type: ignore[misc]
    """(reference, word pairs) → places of texts that are similar to one of a smaller reference."""

    def __init__(self, similarity: float) -> None:
        super().__init__()
        self._similarity = similarity

    def expand(self, texts: Any) -> Any:
        similarity = self._similarity
        counts = texts | "Count word pairs" >> beam.CombineGlobally(_Counters())
        met = (
            texts
            | "Rarest" >> beam.FlatMap(_rare, beam.pvalue.AsSingleton(counts), similarity)
            | "Meet" >> beam.GroupByKey()
            | "Pair" >> beam.FlatMap(_paired, similarity)
            | "Once" >> beam.Distinct()
        )
        carried = (
            {"texts": texts, "others": met}
            | "Words of the first" >> beam.CoGroupByKey()
            | "Carry" >> beam.FlatMap(_carried)
        )
        return (
            {"texts": texts, "others": carried}
            | "Words of the second" >> beam.CoGroupByKey()
            | "Compare" >> beam.FlatMap(_similar, similarity)
        )


class _Counters(beam.CombineFn):  # type: ignore[misc]
    """How often word pairs occur, each counted by one of COUNTERS counters."""

    def create_accumulator(self) -> Any:
        return np.zeros(COUNTERS, dtype=np.uint32)

    def add_input(self, counts: Any, text: tuple[Reference, bytes]) -> Any:
        np.add.at(counts, np.frombuffer(text[1], np.uint32) % np.uint32(COUNTERS), 1)
        return counts

    def merge_accumulators(self, accumulators: Iterable[Any]) -> Any:
        return np.sum(list(accumulators), axis=0, dtype=np.uint32)

    def extract_output(self, counts: Any) -> Any:
        return counts


def _signed(part: Part, plan: Plan) -> Iterator[Signed]:
    """Nothing of a part that cannot be read: who prepares it tells why."""
    try:
        yield from _signatures(part, plan)
    except EvergreenError:
        return


def _signatures(part: Part, plan: Plan) -> Iterator[Signed]:
    first = 0
    with_pairs = plan.preparation.near_duplicates is not None
    for whole in part.raw.rows(IntakeCount()):
        batch, places = _usable(whole, plan)
        if "image" in batch.schema.names:
            keys, pairs = picture_keys(batch["image"], 0), None
        else:
            texts = normalise(batch["text"])
            keys, pairs = content_keys(texts, 0), word_pairs(texts) if with_pairs else None
        for row, (name, key, at) in enumerate(zip(batch["id"].to_pylist(), keys.tolist(), places, strict=True)):
            hashes = b"" if pairs is None else np.unique(pairs[row].values.to_numpy()).tobytes()
            yield key, ((len(name or ""), name or "", part.number, first + at), hashes)
        first += whole.num_rows


def _usable(batch: pa.RecordBatch, plan: Plan) -> tuple[pa.RecordBatch, list[int]]:
    """The rows that will be written, and their places: no good row may give way to one that is left out."""
    import pyarrow as pa

    marked = batch.append_column(_PLACE, pa.array(range(batch.num_rows), pa.int64()))
    places = examinable(plan.task).prepare_rows(marked, plan.preparation.image_size).rows[_PLACE]
    return batch.take(places), places.to_pylist()


def _rare(text: tuple[Reference, bytes], counts: Any, similarity: float) -> Iterator[tuple[int, tuple[Reference, int]]]:
    import pyarrow as pa

    reference, hashes = text
    held = np.frombuffer(hashes, np.uint32)
    rare, _, _ = rarest_pairs(pa.array([held], pa.list_(pa.uint32())), counts, similarity)
    for pair in rare.tolist():
        yield pair, (reference, held.size)


def _paired(met: tuple[int, Iterable[tuple[Reference, int]]], similarity: float) -> Iterator[tuple[Any, Any]]:
    """Pairs whose sizes allow the similarity, the smaller reference first."""
    for (reference, size), (other_reference, other_size) in combinations(sorted(met[1]), 2):
        if min(size, other_size) >= similarity * max(size, other_size) - 1e-9:
            yield reference, other_reference


def _carried(joined: tuple[Reference, dict[str, Any]]) -> Iterator[tuple[Reference, bytes]]:
    (hashes,) = joined[1]["texts"]
    for other in joined[1]["others"]:
        yield other, hashes


def _similar(joined: tuple[Reference, dict[str, Any]], similarity: float) -> Iterator[tuple[int, int]]:
    others = list(joined[1]["others"])
    if not others:
        return
    (mine,) = (np.frombuffer(hashes, np.uint32) for hashes in joined[1]["texts"])
    for hashes in others:
        theirs = np.frombuffer(hashes, np.uint32)
        shared = np.intersect1d(mine, theirs, assume_unique=True).size
        if shared >= similarity * (mine.size + theirs.size - shared) - 1e-9:
            yield _place(joined[0])
            return


def _place(reference: Reference) -> tuple[int, int]:
    return reference[2], reference[3]
