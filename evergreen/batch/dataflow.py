"""Batch predictions as a job of Dataflow's: this process cuts rows into shards in a bucket, workers predict them.

gs://news/tmp/models/3fa41c02be17/…                    the model, which each worker copies once
gs://news/tmp/batch-0c91…/00003-9f2c41d07be8a615.jsonl   a shard on its way to a worker
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from evergreen.adapters.gcs import copy_to
from evergreen.adapters.gcs.bucket import bucket_files
from evergreen.batch.job import Job, Told, Total, cut, finished, known_parts, opened, unknown
from evergreen.batch.settings import DataflowBatch
from evergreen.batch.shard_files import Outcome, Outcomes, Sent, job_key, write_shard
from evergreen.batch.work import Work, traits_of
from evergreen.core.batch import BatchReport, PartStore
from evergreen.core.errors import EvergreenError, InputError
from evergreen.runtime.processes import usable_cores

ENGINE = "dataflow"
"""Whatever engine of the model each worker takes, which a part does not tell."""


class DataflowRun:
    """A job for the shards that are not there yet."""

    def __init__(self, settings: DataflowBatch) -> None:
        self.settings = settings

    def check(self, model: str, version: str, store: PartStore) -> None:  # noqa: ARG002 - of those that ask others
        """Returns when workers can write the output. Raises InputError: they cannot."""
        where = store.check()
        if store.is_local:
            raise InputError(f"workers of Dataflow cannot write {where}; set output to gs://… or a BigQuery table")

    def run(self, job: Job, told: Told) -> BatchReport:
        """What was predicted.

        Raises:
            InputError: as `job.run` does, or a column holds values of several types.
            EvergreenError: Dataflow or a worker failed; parts that are done stay.
        """
        began = time.monotonic()
        self.check(job.name, job.work.model.version, job.work.store)
        rows, work = opened(job)
        work = replace(work.told(traits_of(work.model, usable_cores())), engine=ENGINE)
        total = Total()
        with self._staged(work) as (staging, far):
            shards = unknown(work, cut(rows, job.shard_rows, 1), known_parts(work), total)
            sent = [write_shard(staging, shard, work.schema) for shard in shards]
            if sent:
                for outcome in self._outcomes(staging, far, sent):
                    total.add(outcome.done(), new=True)
            told(total.rows)
        return finished(replace(job, work=work), total, self.settings.machines, began)

    @contextmanager
    def _staged(self, work: Work) -> Iterator[tuple[str, Work]]:
        """A folder of a bucket that is there within the block, and the work with the model where workers read it."""
        temp = self.settings.temp.rstrip("/")
        model = replace(work.model, place=f"{temp}/models/{work.model.version}")
        copy_to(Path(work.model.place), model.place)
        far = replace(work, model=model)
        staging = f"{temp}/batch-{job_key(work)}"
        try:
            yield staging, far
        finally:
            with bucket_files(staging, "set runner.temp") as files:
                if files.exists(staging):
                    files.rm(staging, recursive=True)

    def _outcomes(self, staging: str, work: Work, sent: list[Sent]) -> list[Outcome]:
        """What came of the shards. Raises InputError or EvergreenError: what a worker met."""
        from evergreen.batch.beam import beam_job
        from evergreen.preparation.runners import DataflowRunner, run_beam

        run_beam(DataflowRunner(self.settings), beam_job(job_key(work), work, sent, staging), "the batch prediction")
        with bucket_files(staging, "set runner.temp") as files:
            outcomes = Outcomes.model_validate_json(files.cat_file(f"{staging}/{Outcomes.NAME}")).root
        failed = [outcome for outcome in outcomes if outcome.failure]
        for outcome in failed:
            raise (InputError if outcome.exit_code == InputError.exit_code else EvergreenError)(outcome.failure)
        return outcomes
