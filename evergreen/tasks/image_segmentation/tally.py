"""What was found in the rows of a dataset of pictures, added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evergreen.core.validation import PictureStatistics
from evergreen.tasks.image_segmentation.examine import Found

EXAMPLES = 5
TOP_SIZES = 20


@dataclass
class Tally:
    """What was found in the rows so far: `rows` good ones and `bad` ones.

    Of bad ones no more are kept by name than `most_set_aside`, so that memory does not grow with rows.
    """

    most_set_aside: int
    rows: int = 0
    bad: int = 0
    broken: dict[str, list[str]] = field(default_factory=dict)
    broken_rows: Counter[str] = field(default_factory=Counter)
    set_aside: dict[str, str] = field(default_factory=dict)
    nulls: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    sums: Any = field(default_factory=lambda: np.zeros(3))
    squares: Any = field(default_factory=lambda: np.zeros(3))
    counts: Any = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    class_rows: Any = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    odd: dict[str, list[str]] = field(default_factory=dict)
    odd_rows: Counter[str] = field(default_factory=Counter)

    def add_bad(self, name: str, broken: Mapping[str, str]) -> None:
        """Counts a row that breaks rules, with details by rule."""
        for rule, detail in broken.items():
            self.broken_rows[rule] += 1
            examples = self.broken.setdefault(rule, [])
            if len(examples) < EXAMPLES:
                examples.append(f"{name}: {detail}" if detail else name)
        self.bad += 1
        if self.bad <= self.most_set_aside:
            self.set_aside[name] = "; ".join(
                f"{rule} ({detail})" if detail else rule for rule, detail in broken.items()
            )

    def add_good(self, found: Found) -> None:
        """Counts a row with a whole picture and mask."""
        self.rows += 1
        self.sizes[f"{found.size[0]} x {found.size[1]}"] += 1
        self.sums += found.sums
        self.squares += found.squares
        self.counts += found.counts
        self.class_rows += found.counts > 0

    def add_odd(self, anomaly: str, name: str) -> None:
        """Counts a row that is odd."""
        self.odd_rows[anomaly] += 1
        examples = self.odd.setdefault(anomaly, [])
        if len(examples) < EXAMPLES:
            examples.append(name)

    def statistics(self, labels: Sequence[str]) -> PictureStatistics:
        """What all good rows hold together."""
        pixels = max(int(self.counts.sum()), 1)
        counted = max(int(self.counts[: len(labels)].sum()), 1)
        means = self.sums / pixels
        deviations = np.sqrt(np.maximum(self.squares / pixels - means**2, 0))
        return PictureStatistics(
            sizes=dict(self.sizes.most_common(TOP_SIZES)),
            distinct_sizes=len(self.sizes),
            channel_means=tuple(means.round(3).tolist()),
            channel_deviations=tuple(deviations.round(3).tolist()),
            class_shares={label: int(self.counts[index]) / counted for index, label in enumerate(labels)},
            ignored_share=int(self.counts[len(labels) :].sum()) / pixels,
        )
