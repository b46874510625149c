"""How much of the generated pictures' classes colour and position tell: little, or a network would prove nothing.

The ratio is the most that the regression may reach over what it reaches.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from bench.baselines.pixel_regression import fit_and_score
from bench.report import parse_arguments, print_result, print_table
from evergreen.adapters.shapes.settings import ShapesSettings
from evergreen.core.members import source_of

MOST_MEAN_IOU = 0.55
CLASSES = 3
PICTURES = 400


def main() -> int:
    """Measures, prints, and returns the exit code."""
    as_json = parse_arguments(__doc__ or "")
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as scratch:
        started = time.perf_counter()
        train, test = (
            source_of(ShapesSettings(count=PICTURES, seed=seed)).read(None, Path(scratch) / str(seed)).shards
            for seed in (0, 1)
        )
        seconds = time.perf_counter() - started
        plain, majority = fit_and_score(train, test, CLASSES, None)
        balanced, _ = fit_and_score(train, test, CLASSES, "balanced")
    print_table(
        ["always or by colour and position", "mIoU"],
        [
            ["majority class", f"{majority:.3f}"],
            ["logistic regression", f"{plain:.3f}"],
            ["logistic regression, classes weighted alike", f"{balanced:.3f}"],
        ],
    )
    print(f"{2 * PICTURES / seconds:,.0f} pictures/s drawn")
    ratios = {"regression": MOST_MEAN_IOU / max(plain, balanced)}
    return print_result("shapes_baselines", ratios, {"regression": 1.0}, as_json)


if __name__ == "__main__":
    sys.exit(main())
