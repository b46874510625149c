"""The source `bicycle_offers`: rows with `id`, `text`, `target` (EUR) and `type`, a column to slice by.

{"id": "offer-000000", "text": "Mountain bike, 4 years old, worn, to collect in Linz.", "target": 336.0, "type": …}
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity
from evergreen.core.errors import InputError
from evergreen.core.members import ReadSource
from evergreen.data.dataset import write_dataset
from text_regression.settings import BicycleOffersSettings

if TYPE_CHECKING:
    import pyarrow as pa

TYPES = {"city": 420.0, "trekking": 640.0, "racing": 1_300.0, "cargo": 2_400.0, "folding": 520.0, "mountain": 980.0}
CONDITIONS = {"like new": 1.0, "well kept": 0.85, "scratched": 0.65, "worn": 0.45, "for tinkerers": 0.2}
EXTRAS = {"hub dynamo": 40.0, "new tyres": 35.0, "leather saddle": 60.0, "disc brakes": 90.0, "lock included": 20.0}
TOWNS = ("Bonn", "Delft", "Gent", "Graz", "Kolding", "Leipzig", "Linz", "Lund", "Malmö", "Münster", "Utrecht", "Wien")
BATCH_ROWS = 1_000


class BicycleOffersSource(ReadSource[BicycleOffersSettings]):
    """Writes the advertisements."""

    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        """The fields: they decide every row. Raises InputError for a window, since the offers have no time."""
        if window is not None:
            raise InputError("bicycle offers have no time that a window could choose by; remove parameters.window")
        given = self.settings
        return SourceIdentity(
            kind=given.kind,
            fingerprint=hashlib.sha256(given.model_dump_json().encode()).hexdigest(),
            description=f"{given.count:,} offers of bicycles, seed {given.seed}",
            rows=given.count,
        )

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        """The offers as Parquet shards below `out_dir`. Raises InputError for a window."""
        return write_dataset(_batches(self.settings), out_dir, self.identity(window))


def _batches(given: BicycleOffersSettings) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for first in range(0, given.count, BATCH_ROWS):
        numbers = range(first, min(first + BATCH_ROWS, given.count))
        yield pa.RecordBatch.from_pylist([_offer(given, number) for number in numbers])


def _offer(given: BicycleOffersSettings, number: int) -> dict[str, str | float]:
    draw = np.random.default_rng([given.seed, number])
    kind, condition, town = (str(draw.choice(list(words))) for words in (TYPES, CONDITIONS, TOWNS))
    years = int(draw.integers(1, 15))
    extras = [str(extra) for extra in draw.permutation(list(EXTRAS))[: draw.integers(0, 4)]]
    worth = TYPES[kind] * CONDITIONS[condition] * 0.93**years + sum(EXTRAS[extra] for extra in extras)
    price = float(max(1, round(worth * (1 + given.noise * draw.standard_normal()))))
    text = ", ".join([f"{kind.capitalize()} bike", f"{years} years old", condition, *extras, f"to collect in {town}"])
    return {"id": f"offer-{number:06d}", "text": f"{text}.", "target": price, "type": kind}
