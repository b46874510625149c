"""Batch predictions by processes of this machine."""

from __future__ import annotations

from evergreen.batch.job import Job, Told, run
from evergreen.batch.settings import LocalBatch
from evergreen.core.batch import BatchReport, PartStore
from evergreen.runtime.processes import usable_cores


class LocalRun:
    """One process a core, or as many as are set."""

    def __init__(self, settings: LocalBatch) -> None:
        self.settings = settings

    def check(self, model: str, version: str, store: PartStore) -> None:
        """Returns: processes here need nothing more than what they predict with."""

    def run(self, job: Job, told: Told) -> BatchReport:
        """What was predicted. Raises as `job.run` does."""
        return run(job, self.settings.workers or usable_cores(), told)
