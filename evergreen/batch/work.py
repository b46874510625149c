"""The work on one shard, the same in this process, in a pool of processes and on Dataflow.

What is written depends on the rows, the version and what is kept of both, so that a part that is there is never made
again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from evergreen.batch.answering import Answer, answers_of
from evergreen.batch.columns import Columns, beside
from evergreen.batch.parts import known_types, write_part
from evergreen.core.batch import Part, PartStore, Row
from evergreen.core.engines import TORCH
from evergreen.core.errors import InputError
from evergreen.core.members import servable
from evergreen.core.protocols import Predictor, Servable
from evergreen.serving.engine_plan import ONNX
from evergreen.serving.loading import Loading
from evergreen.tasks import load_task

if TYPE_CHECKING:
    import pyarrow as pa

_KEY_CHARS = 16
_MOST_REASONS = 5


@dataclass(frozen=True)
class Shard:
    """Some of the rows; `number` is its place in the input, from 0, and `key` tells its part from any other."""

    number: int
    rows: Sequence[Row]
    key: str = ""


@dataclass(frozen=True)
class Done:
    """What came of a shard; `reasons` counts the most frequent ones of rows that could not be predicted, `engine`
    predicted the others, as far as that is known.
    """

    part: Part
    rows: int
    reasons: Counter[str] = field(default_factory=Counter)
    engine: str = ""


@dataclass(frozen=True)
class Model:
    """A trained-model directory of this machine or a bucket; instances of `examples` show what it answers."""

    place: str
    version: str
    examples: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Traits:
    """What only a loaded model tells: what its answers look like, what computes, and whether that takes turns."""

    answers: tuple[dict[str, Any], ...]
    engine: str
    takes_turns: bool


@dataclass(frozen=True)
class Work:
    """What every worker is told. `schema` is the input's, where it has one; `threads` are those of each process."""

    model: Model
    columns: Columns
    store: PartStore
    schema: pa.Schema | None = None
    engine: str = ""
    threads: int = 1

    def told(self, traits: Traits) -> Work:
        """The same, once the model was loaded."""
        return replace(self, engine=traits.engine, columns=self.columns.answered(traits.answers))

    def key(self, rows: Sequence[Row]) -> str:
        """Tells the part of these rows from that of any others."""
        columns = self.columns
        how = [self.model.version, self.engine, columns.asked, columns.separator, columns.kept, self.store.part_format]
        digest = hashlib.sha256(json.dumps(how).encode())
        for row in rows:
            digest.update(json.dumps(row, ensure_ascii=False, default=_as_text).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:_KEY_CHARS]


def traits_of(model: Model, threads: int) -> Traits:
    """What the model's own examples show of it, asked with so many threads. Raises InputError where it answers none."""
    predictor, _ = loaded(model.place, threads)
    predictor.use_threads(threads)
    answers = answers_of(predictor, model.examples)
    if refused := [answer for answer in answers if isinstance(answer, str)]:
        raise InputError(f"version {model.version} does not answer its own examples: {refused[0]}; train it again")
    made = [answer for answer in answers if not isinstance(answer, str)]
    return Traits(tuple(made), predictor.engine, predictor.takes_turns)


def predict_shard(work: Work, shard: Shard, engine: str = "") -> Done:
    """The shard's part, predicted and kept; by an `engine`, or by that which a server of this machine would take.

    Raises:
        InputError: a column is of several types.
        EvergreenError: the output or what rows name cannot be reached.
    """
    predictor, served = loaded(work.model.place, work.threads, engine)
    predictor.use_threads(work.threads)
    done = keep_shard(work, shard, answers_of_rows(predictor, served, work.columns, shard.rows))
    return replace(done, engine=predictor.engine)


def keep_shard(work: Work, shard: Shard, answers: Sequence[Answer]) -> Done:
    """The shard's part, made of an answer a row, and kept. Raises as `predict_shard` does."""
    rows = [
        beside(work.columns.keep(row), work.columns.added(answer, work.model.version))
        for row, answer in zip(shard.rows, answers, strict=True)
    ]
    reasons = Counter(answer for answer in answers if isinstance(answer, str))
    part = Part(shard.number, shard.key, sum(reasons.values()))
    with TemporaryDirectory(prefix="evergreen-batch-") as folder:
        file = Path(folder) / f"part.{work.store.part_format}"
        write_part(file, rows, work.store.part_format, dict(known_types(work.columns.added_types, work.schema)))
        work.store.put(part, file)
    return Done(part, len(rows), Counter(dict(reasons.most_common(_MOST_REASONS))))


def answers_of_rows(predictor: Predictor, served: Servable, columns: Columns, rows: Sequence[Row]) -> list[Answer]:
    """A prediction, or the reason why there is none, for each row."""
    answers: list[Answer] = [""] * len(rows)
    asked: list[tuple[int, Any]] = []
    for place, row in enumerate(rows):
        try:
            asked.append((place, served.instance(columns.item(row))))
        except InputError as error:
            answers[place] = str(error)
    for (place, _), answer in zip(asked, answers_of(predictor, [one for _, one in asked]), strict=True):
        answers[place] = answer
    return answers


def loaded(place: str, threads: int, engine: str = "") -> tuple[Predictor, Servable]:
    """The predictor of a model's directory and what makes its instances; each process loads it once.

    It answers by the `engine` that another process of this machine has taken for the same job; of none, by that which a
    server would take here, for processors differ.
    """
    predictor, served = _loaded(place, threads, None)
    if engine in ("", predictor.engine):
        return predictor, served
    return _loaded(place, threads, TORCH if engine.startswith(TORCH) else engine.removeprefix(f"{ONNX}-"))


@cache
def _loaded(place: str, threads: int, asked: str | None) -> tuple[Predictor, Servable]:
    model_dir = _on_this_machine(place)
    loading = Loading(asked, threads, _read_object, partial(_bring, place), waits=True)
    return loading.predictor(model_dir), servable(load_task(model_dir))


def _bring(place: str, model_dir: Path, names: list[str]) -> None:
    if place.startswith("gs://"):
        from evergreen.adapters.gcs import bring

        bring(place, model_dir, names)


def _on_this_machine(place: str) -> Path:
    return Path(_copied(place).name if place.startswith("gs://") else place)


@cache
def _copied(place: str) -> TemporaryDirectory[str]:
    """A copy of a bucket's model, which goes with the process."""
    from evergreen.adapters.gcs import copy_from

    folder = TemporaryDirectory(prefix="evergreen-model-")
    copy_from(place, Path(folder.name), by_engines=True)
    return folder


def _read_object(address: str, max_bytes: int) -> bytes:
    from evergreen.adapters.gcs import objects

    with objects(address, "name an object that is there") as bucket:
        return bucket.read(address, max_bytes)


def _as_text(value: object) -> str:
    """A value that JSON has no word for, as what tells it from others."""
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else str(value)
