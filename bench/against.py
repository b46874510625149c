"""Seconds of runs, their steps and a preparation, against those of an earlier commit: what a change cost.

    python -m bench.against COMMIT [--json] [--rounds 3]

The commit is checked out beside this tree and both run by turns, each with its own configurations of texts and
pictures, in the environment that is active: it has to serve both. The gate keeps every model out, so nothing is
deployed. Compared are each side's quickest rounds, of whole runs and of their steps; libraries are loaded before them,
as one commit imports within a step what another does on the way to it. What took under five seconds has no limit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.beam_preparation import generate
from bench.pipeline_overhead import ROOT, step_seconds, timed
from bench.report import instruction_set, print_result, print_table

MIN_SPEED = 0.95
MIN_SECONDS = 5.0
UNREACHABLE = 0.999
"""A minimum that no model reaches: the run ends at the gate."""
LOADED = """
import runpy, sys
import datasets, evaluate, mlflow, sklearn.linear_model, torch, transformers
sys.argv = ["run.py", *sys.argv[1:]]
runpy.run_path("run.py", run_name="__main__")
"""
"""A run that finds the large libraries loaded."""

PICTURES = 600
SIDE = 512
CONFIGURATIONS: Mapping[str, Mapping[str, Any]] = {
    "local.yaml": {"task": {"epochs": 1}, "gate": {"minimum": {"accuracy": UNREACHABLE}}},
    "shapes.yaml": {"source": {"count": 1200}, "task": {"epochs": 1}, "gate": {"minimum": {"mean_iou": UNREACHABLE}}},
}


@dataclass(frozen=True)
class Tree:
    """A checkout whose code runs in the active environment, with a ZenML of its own."""

    root: Path
    home: Path

    def timed(self, *arguments: str) -> float:
        """Seconds of a command of this checkout. Raises RuntimeError with its output when it fails."""
        return timed(self.home, *arguments, root=self.root)

    def run(self, name: str, round_number: int) -> dict[str, float]:
        """Seconds of a run that repeats no training, and of each step: its seed is the round's."""
        document = yaml.safe_load((self.root / "configs" / name).read_text(encoding="utf-8"))
        for key, values in CONFIGURATIONS[name].items():
            document["parameters"][key] = document["parameters"][key] | values
        document["parameters"] |= {"seed": round_number, "host": {"kind": "local_endpoint", "port": 0}}
        path = self.home / name
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        seconds = {"whole run": self.timed("-c", LOADED, "--config", str(path)), **step_seconds(self.home, self.root)}
        return {f"{path.stem}: {work}": taken for work, taken in seconds.items()}

    def preparation(self, raw: Path, target: Path) -> float:
        """Seconds in which two processes decode, check, resize and write the pictures in `raw`."""
        return self.timed("-m", "bench.beam_preparation", "prepare", str(raw), str(target), "2")


def main() -> int:
    """0 when nothing of five seconds takes over a twentieth longer than it did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", help="what to compare with, as git names it")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as name, _checked_out(options.commit) as earlier:
        trees = {"before": Tree(earlier, Path(name, "before")), "now": Tree(ROOT, Path(name, "now"))}
        taken = _measured(trees, Path(name), options.rounds)
    quickest = {side: {work: min(series) for work, series in works.items()} for side, works in taken.items()}
    works = [work for work in quickest["before"] if work in quickest["now"]]
    columns = ("before", "now")
    print(f"instruction set: {instruction_set()}\n")
    print_table(["seconds", *columns], [[work, *(f"{quickest[side][work]:.2f}" for side in columns)] for work in works])
    compared = [work for work in works if quickest["before"][work] >= MIN_SECONDS]
    ratios = {work: quickest["before"][work] / quickest["now"][work] for work in compared}
    return print_result("against", ratios, dict.fromkeys(ratios, MIN_SPEED), options.json)


def _measured(trees: Mapping[str, Tree], folder: Path, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds by side and work, a number for each round; who goes first changes with the round."""
    raw = folder / "raw"
    generate(raw, PICTURES, SIDE)
    for tree in trees.values():
        tree.home.mkdir()
        tree.timed("-m", "stacks.apply", "local")
    taken: dict[str, dict[str, list[float]]] = {side: defaultdict(list) for side in trees}
    for number in range(1, rounds + 1):
        sides = list(trees)[:: 1 if number % 2 else -1]
        for configuration in CONFIGURATIONS:
            for side in sides:
                for work, seconds in trees[side].run(configuration, number).items():
                    taken[side][work].append(seconds)
        for side in sides:
            taken[side]["preparation"].append(trees[side].preparation(raw, folder / f"{side}-{number}"))
        print(f"round {number} of {rounds}", flush=True)
    return taken


@contextmanager
def _checked_out(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="evergreen-against-") as name:
        path = Path(name, "tree")
        _git("worktree", "add", "--quiet", "--detach", str(path), commit)
        try:
            yield path
        finally:
            _git("worktree", "remove", "--force", str(path))


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True)  # noqa: S607 (git of the PATH)


if __name__ == "__main__":
    sys.exit(main())
