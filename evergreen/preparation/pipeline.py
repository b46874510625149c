"""The pipeline: parts, the rows in them that repeat others, the shards of each, and one summary."""

from __future__ import annotations

from functools import partial
from typing import Any

import apache_beam as beam

from evergreen.preparation.duplicates import Repetitions
from evergreen.preparation.part import prepare_part
from evergreen.preparation.plan import Part, Plan
from evergreen.preparation.store import write_summary
from evergreen.preparation.summary import merged


def build(root: beam.Pipeline, plan: Plan, parts: list[Part]) -> None:
    """Adds the whole preparation to a pipeline; pictures and texts stay with the part that they are of."""
    listed = root | "Parts" >> beam.Create(parts, reshuffle=False)
    preparation = plan.preparation
    dropped: list[Any] = []
    if preparation.deduplicate or preparation.near_duplicates is not None:
        by_part = listed | "Repetitions" >> Repetitions(plan) | "By part" >> beam.GroupByKey()
        dropped = [beam.pvalue.AsDict(by_part | "Places" >> beam.MapTuple(lambda part, places: (part, sorted(places))))]
    _ = (
        listed
        | "Spread" >> beam.Reshuffle()
        | "Prepare" >> beam.Map(prepare_part, plan, *dropped)
        | "Sum up" >> beam.CombineGlobally(merged)
        | "Keep" >> beam.Map(partial(write_summary, staging=plan.staging))
    )
