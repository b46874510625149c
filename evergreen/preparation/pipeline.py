"""The pipeline: parts, the rows in them that repeat others, the shards of each, and one list of what came of them."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import apache_beam as beam

from evergreen.preparation.duplicates import Repetitions
from evergreen.preparation.part import prepare_part
from evergreen.preparation.plan import Part, Plan
from evergreen.preparation.store import write_results


def build(root: beam.Pipeline, plan: Plan, parts: list[Part], known: Collection[str]) -> None:
    """Adds the preparation of the parts to a pipeline; pictures and texts stay with the part that they are of.

    Of parts whose shards are `known` nothing is written.
    """
    listed = root | "Parts" >> beam.Create(parts, reshuffle=False)
    dropped: list[Any] = []
    if plan.compares:
        by_part = listed | "Repetitions" >> Repetitions(plan) | "By part" >> beam.GroupByKey()
        dropped = [beam.pvalue.AsDict(by_part | "Places" >> beam.MapTuple(lambda part, places: (part, sorted(places))))]
    _ = (
        listed
        | "Spread" >> beam.Reshuffle()
        | "Prepare" >> beam.Map(prepare_part, plan, frozenset(known), *dropped)
        | "List" >> beam.combiners.ToDict()
        | "Keep" >> beam.Map(partial(write_results, staging=plan.staging))
    )
