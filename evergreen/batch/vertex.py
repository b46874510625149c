"""Batch predictions as a job of Vertex AI's, by the version in its Model Registry and the container of endpoints.

This process cuts rows into shards, asks about all that are not there yet in one job, and writes their parts. Vertex AI
refuses a whole request where one instance of it cannot be used: what it gave no answer to is predicted here.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from evergreen.adapters.gcs.bucket import bucket_files
from evergreen.adapters.vertex.batch_jobs import ROW, answers_of_job
from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.jobs import VertexJobs
from evergreen.adapters.vertex.names import labels, version_alias
from evergreen.adapters.vertex.registry import ModelRegistry, resource_of
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.batch.answering import Answer
from evergreen.batch.job import Job, Told, Total, cut, finished, known_parts, opened, unknown
from evergreen.batch.settings import VertexBatch
from evergreen.batch.shard_files import Sent, job_key, read_shard, write_shard
from evergreen.batch.work import Done, Shard, Work, answers_of_rows, keep_shard, loaded, traits_of
from evergreen.core.batch import BatchReport, PartStore
from evergreen.core.counted import counted
from evergreen.core.errors import InputError
from evergreen.preparation.settings import JOB_PREFIX, RUN_LABEL
from evergreen.runtime.processes import usable_cores

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import BatchPredictionJob

TO_CORRECT = "set runner.temp"
ENGINE = "vertex"
_KEY_CHARS = 16
_LINES_AT_ONCE = 4_000


class VertexRun:
    """A job for the shards that are not there yet."""

    def __init__(self, settings: VertexBatch) -> None:
        self.settings = settings
        self._clients = Clients(
            VertexHostSettings(  # where, and whose; how endpoints are made is not asked
                project=settings.project,
                region=settings.region,
                staging=settings.temp,
                image="as registered",
                environment=settings.environment,
                labels=settings.labels,
            )
        )

    def check(self, model: str, version: str, store: PartStore) -> None:  # noqa: ARG002 - of those that write elsewhere
        """Returns when the Model Registry holds the version. Raises InputError: it does not."""
        self._registered(model, version)

    def run(self, job: Job, told: Told) -> BatchReport:
        """What was predicted.

        Raises:
            InputError: as `job.run` does, or the Model Registry does not hold the version.
            EvergreenError: Vertex AI failed; parts that are done stay.
        """
        began = time.monotonic()
        job.work.store.check()
        resource = self._registered(job.name, job.work.model.version)
        rows, work = opened(job)
        work = work.told(traits_of(work.model, usable_cores()))
        work = replace(work, engine=f"{ENGINE}-{resource.rpartition('@')[2]}", threads=usable_cores())
        total, here = Total(), 0
        shards = unknown(work, cut(rows, job.shard_rows, 1), known_parts(work), total)
        with _staged(f"{self.settings.temp.rstrip('/')}/batch-{job_key(work)}") as staging:
            sent = [_send(staging, work, shard) for shard in shards]
            with TemporaryDirectory(prefix="evergreen-batch-") as folder:
                if sent:
                    self._answer(job.name, resource, staging, sent, Path(folder))
                for one in sent:
                    done, unanswered = _kept(work, one, Path(folder))
                    total.add(done, new=True)
                    here += unanswered
                    told(total.rows)
        runner = self.settings.machines + (f"; {counted(here, 'row')} here" if here else "")
        return finished(replace(job, work=work), total, runner, began)

    def end(self, run: str) -> str:
        """Ends all jobs of a run, by its id; what that was, in words, empty where there was none.

        Raises:
            EvergreenError: one has not ended in time, or Vertex AI refuses, or does not answer.
        """
        ended = VertexJobs(self.settings.project, self.settings.region).cancel_batch({RUN_LABEL: run})
        return f"{len(ended)} batch prediction job{'s'[: len(ended) != 1]} cancelled" if ended else ""

    def _registered(self, model: str, version: str) -> str:
        """The resource name of the version."""
        held = ModelRegistry(self._clients, model).named(version_alias(version))
        if held is None:
            where = f"{self.settings.project}, {self.settings.region}"
            raise InputError(
                f"Vertex AI's Model Registry in {where} has no version {version} of {model} of environment "
                f"'{self.settings.environment}'; set runner as the model's own host is, run that configuration on it, "
                "or take runner: {kind: local}"
            )
        return resource_of(held)

    def _answer(self, model: str, resource: str, staging: str, sent: Sequence[Sent], folder: Path) -> None:
        """Leaves the answers as files of the folder, one a shard."""
        asked = [_asked(staging, one.number, one.key) for one in sent]
        if there := list(filter(_is_there, asked)):
            message = self._message(model, resource, there, f"{staging}/answered")
            _sort(answers_of_job(self._clients, message, _is_there), folder)

    def _message(self, model: str, resource: str, asked: Sequence[str], answered: str) -> BatchPredictionJob:
        """The job, by a name that one about other rows does not have."""
        from google.cloud import aiplatform_v1 as v1

        given = self.settings
        key = hashlib.sha256("\n".join([resource, *asked]).encode()).hexdigest()[:_KEY_CHARS]
        machine: dict[str, object] = {"machine_type": given.machine_type}
        if given.accelerator_type:
            machine |= {"accelerator_type": given.accelerator_type, "accelerator_count": given.accelerator_count}
        return v1.BatchPredictionJob(
            display_name=f"{JOB_PREFIX}batch-{key}",
            model=resource,
            input_config={"instances_format": "jsonl", "gcs_source": {"uris": list(asked)}},
            instance_config={"instance_type": "object", "key_field": ROW},
            output_config={"predictions_format": "jsonl", "gcs_destination": {"output_uri_prefix": answered}},
            dedicated_resources={
                "machine_spec": machine,
                "starting_replica_count": 1,
                "max_replica_count": given.max_replicas,
            },
            manual_batch_tuning_parameters={"batch_size": given.batch_size},
            service_account=given.service_account or "",
            encryption_spec={"kms_key_name": given.encryption_key} if given.encryption_key else None,
            labels=labels(self._clients.host, model),
        )


@contextmanager
def _staged(staging: str) -> Iterator[str]:
    """The folder of a bucket, which is gone after the block."""
    try:
        yield staging
    finally:
        with bucket_files(staging, TO_CORRECT) as files:
            if files.exists(staging):
                files.rm(staging, recursive=True)


def _is_there(address: str) -> bool:
    with bucket_files(address, TO_CORRECT) as files:
        return bool(files.exists(address))


def _asked(staging: str, number: int, key: str) -> str:
    return f"{staging}/asked/{number:05d}-{key}.jsonl"


def _send(staging: str, work: Work, shard: Shard) -> Sent:
    """The shard in the bucket, beside what the model is asked of it."""
    _, served = loaded(work.model.place, work.threads)
    lines = []
    for place, row in enumerate(shard.rows):
        try:
            instance = served.instance(work.columns.item(row))
        except InputError:
            continue  # the reason is told with the part
        lines.append(json.dumps({ROW: f"{shard.number}-{place}", **instance}, ensure_ascii=False) + "\n")
    if lines:
        with bucket_files(staging, TO_CORRECT) as files:
            files.pipe_file(_asked(staging, shard.number, shard.key), "".join(lines).encode())
    return write_shard(f"{staging}/rows", shard, work.schema)


def _sort(answered: str, folder: Path) -> None:
    """The answers of all files of a job, which are in no order, as lines of a file for each shard."""
    lines = _lines(answered)
    while some := list(islice(lines, _LINES_AT_ONCE)):
        by_shard: dict[str, list[str]] = {}
        for line in some:
            answer = json.loads(line)
            if isinstance(answer.get("prediction"), dict) and "key" in answer:  # else it holds an error
                number, place = map(int, answer["key"].split("-"))  # numbers alone, as one names a file
                by_shard.setdefault(str(number), []).append(json.dumps([place, answer["prediction"]]) + "\n")
        for shard, sorted_lines in by_shard.items():
            with (folder / shard).open("a", encoding="utf-8") as file:
                file.writelines(sorted_lines)


def _lines(answered: str) -> Iterator[bytes]:
    with bucket_files(answered, TO_CORRECT) as files:
        for path in files.find(answered):
            with files.open(path, "rb") as file:
                yield from file


def _kept(work: Work, sent: Sent, folder: Path) -> tuple[Done, int]:
    """What came of a shard, and how many of its predictions were made here."""
    shard, answered = read_shard(sent), folder / str(sent.number)
    answers: dict[int, Answer] = {}
    if answered.exists():
        with answered.open(encoding="utf-8") as file:
            answers = dict(map(json.loads, file))
    left = [place for place in range(len(shard.rows)) if place not in answers]
    predictor, served = loaded(work.model.place, work.threads)
    made = answers_of_rows(predictor, served, work.columns, [shard.rows[place] for place in left])
    answers |= dict(zip(left, made, strict=True))
    done = keep_shard(work, shard, [answers[place] for place in range(len(shard.rows))])
    return done, sum(isinstance(answer, dict) for answer in made)
