"""The pipeline of a batch prediction: shards, what predicts each, and one list of what came of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import apache_beam as beam

from evergreen.batch.shard_files import Outcome, Sent, predict_sent, write_outcomes
from evergreen.batch.work import Work, loaded
from evergreen.preparation.runners import BeamJob
from evergreen.preparation.settings import JOB_PREFIX


class PredictShard(beam.DoFn):  # type: ignore[misc] # Beam is half typed
    """Predicts shards; each process of a worker loads the model once."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def setup(self) -> None:
        """Loads the model before the first shard comes."""
        loaded(self._work.model.place, self._work.threads)

    def process(self, sent: Sent) -> Iterator[Outcome]:
        """What came of a shard."""
        yield predict_sent(self._work, sent)


def beam_job(key: str, work: Work, sent: list[Sent], staging: str) -> BeamJob:
    """The job of these shards, which leaves what came of them in the staging folder."""

    def build(root: beam.Pipeline) -> None:
        _ = (
            root
            | "Shards" >> beam.Create(sent, reshuffle=False)
            | "Spread" >> beam.Reshuffle()
            | "Predict" >> beam.ParDo(PredictShard(work))
            | "List" >> beam.combiners.ToList()
            | "Keep" >> beam.Map(partial(write_outcomes, staging=staging))
        )

    return BeamJob(f"{JOB_PREFIX}batch-{key}", len(sent), build)
