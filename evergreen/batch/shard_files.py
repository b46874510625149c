"""Shards as files of a bucket on their way to workers, and what comes back of them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pydantic import RootModel

from evergreen.adapters.gcs.bucket import bucket_files
from evergreen.batch.parts import write_part
from evergreen.batch.work import Done, Shard, Work, predict_shard
from evergreen.core.base import Frozen
from evergreen.core.batch import Part, PartFormat
from evergreen.core.errors import EvergreenError

if TYPE_CHECKING:
    import pyarrow as pa

_TO_CORRECT = "set runner.temp"
_KEY_CHARS = 16


def job_key(work: Work) -> str:
    """Tells the job from others: an output is one job's at a time (`PartStore.turn`)."""
    what = (work.model.version, work.engine, work.store)
    return hashlib.sha256(repr(what).encode()).hexdigest()[:_KEY_CHARS]


class Sent(NamedTuple):
    """A shard that lies at `place`."""

    number: int
    key: str
    place: str


class Outcome(Frozen):
    """What came of a shard: its part and what predicted it, or the message and the exit code of an error."""

    part: str = ""
    rows: int = 0
    reasons: dict[str, int] = {}
    engine: str = ""
    failure: str = ""
    exit_code: int = 0

    def done(self) -> Done:
        """The same as a worker of this machine tells it. Raises EvergreenError for a name that is none of a part."""
        part = Part.parse(self.part)
        if part is None:
            raise EvergreenError(f"a worker told of a part {self.part!r}, which is none; run again")
        return Done(part, self.rows, Counter(self.reasons), self.engine)


class Outcomes(RootModel[list[Outcome]]):
    """Those of all shards of a job."""

    NAME: ClassVar[str] = "outcomes.json"


def write_shard(staging: str, shard: Shard, schema: pa.Schema | None) -> Sent:
    """The shard below the folder: Parquet where the rows' types are known, else JSON Lines."""
    form: PartFormat = "jsonl" if schema is None else "parquet"
    place = f"{staging}/{shard.number:05d}-{shard.key}.{form}"
    with TemporaryDirectory(prefix="evergreen-batch-") as folder, bucket_files(staging, _TO_CORRECT) as files:
        local = Path(folder) / f"shard.{form}"
        write_part(local, shard.rows, form, {} if schema is None else {field.name: field.type for field in schema})
        files.put_file(str(local), place, consistency="md5")
    return Sent(shard.number, shard.key, place)


def predict_sent(work: Work, sent: Sent) -> Outcome:
    """What a worker makes of a shard, by the engine that suits its own processor. Errors are part of it, for a runner
    would repeat what can only fail again.
    """
    try:
        done = predict_shard(work, read_shard(sent))
    except EvergreenError as error:
        return Outcome(failure=str(error), exit_code=error.exit_code)
    return Outcome(part=str(done.part), rows=done.rows, reasons=dict(done.reasons), engine=done.engine)


def read_shard(sent: Sent) -> Shard:
    """The shard as it was written."""
    import pyarrow.parquet as pq

    with bucket_files(sent.place, _TO_CORRECT) as files, files.open(sent.place, "rb") as file:
        rows = pq.read_table(file).to_pylist() if sent.place.endswith(".parquet") else list(map(json.loads, file))
    return Shard(sent.number, rows, sent.key)


def write_outcomes(outcomes: list[Outcome], staging: str) -> None:
    """Keeps what came of the shards; the last thing that workers do."""
    with bucket_files(staging, _TO_CORRECT) as files:
        files.pipe_file(f"{staging}/{Outcomes.NAME}", Outcomes(outcomes).model_dump_json().encode())
