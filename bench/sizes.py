"""What an installation for running and one for development take: `python -m bench.sizes`, or `make sizes`.

Bytes of the files that each locked package has in this environment, without bytecode. The first is what `make demo`
installs; it is at most 0.8 of the other. What CUDA's wheels of torch bring is in neither lock, and is not counted.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from bench.report import parse_arguments, print_result, print_table

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = "requirements-weights.lock"
LOCKS = {"run": ("requirements.lock", WEIGHTS), "development": ("requirements-dev.lock", WEIGHTS)}
MOST = 0.8
SHOWN = 20


def main() -> int:
    """Exit code 0 when the limit holds."""
    as_json = parse_arguments(__doc__ or "")
    sizes = {name: size_bytes(name) for name in {*locked(*LOCKS["run"]), *locked(*LOCKS["development"])}}
    totals = {use: sum(sizes[name] for name in set(locked(*locks))) for use, locks in LOCKS.items()}
    rows = [
        [use, *LOCKS[use][:1], str(len(set(locked(*LOCKS[use])))), f"{total / 1e6:,.0f}"]
        for use, total in totals.items()
    ]
    print_table(["installation", "lock", "packages", "MB"], rows)
    print(f"\nthe largest {SHOWN}")
    run = set(locked(*LOCKS["run"]))
    largest = sorted(sizes, key=lambda name: -sizes[name])[:SHOWN]
    print_table(
        ["package", "MB", "to run"],
        [[name, f"{sizes[name] / 1e6:,.1f}", "yes" if name in run else "no"] for name in largest],
    )
    if absent := sorted(name for name, size in sizes.items() if not size):
        print(f"\nnot installed here, and counted as nothing: {', '.join(absent)}")
    ratios = {"development over run": totals["development"] / totals["run"]}
    return print_result("sizes", ratios, {"development over run": 1 / MOST}, as_json)


def locked(*names: str) -> Iterator[str]:
    """Names of the packages in lock files."""
    for name in names:
        yield from re.findall(r"^([\w.-]+)==", (ROOT / name).read_text("utf-8"), re.MULTILINE)


def size_bytes(package: str) -> int:
    """Size of an installed package's files; 0 when it is not installed."""
    try:
        files = distribution(package).files or ()
    except PackageNotFoundError:
        return 0
    paths = (Path(str(file.locate())) for file in files if file.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
