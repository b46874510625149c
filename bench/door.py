"""How long a person waits at the door: whole commands, in turn with `zenml stack list`, which asks ZenML one thing.

    python -m bench.door [--json] [--rounds 5]

A model of a few rows is trained in a ZenML of its own, so that there is an endpoint to ask and a run to repeat. Of the
repetition, whose training comes from cache, the time beyond its steps counts. The ratios are those of the round that
was worst for each: the time of `zenml stack list`, the mean of that before and after, over the command's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

from bench.pipeline_overhead import ROOT, step_seconds, timed
from bench.report import instruction_set, print_result, print_table

MOST = {"predict": 0.25, "status": 1.3, "cached run, beyond its steps": 1.5, "--help": 0.05}
"""The time of each, over that of `zenml stack list`, at most."""
STACK_LIST = ("-c", "from zenml_cli import cli; cli()", "stack", "list")
"""What the installed `zenml` does, by the interpreter of the other commands."""
TEXT = "Shares fell after the central bank raised rates"


def main() -> int:
    """Exit code 0 when every limit holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as folder:
        home = Path(folder)
        config = _configuration(home)
        timed(home, "-m", "stacks.apply", "local")
        try:
            timed(home, "run.py", "--config", config)
            rounds = [_round(home, config) for _ in range(options.rounds)]
        finally:
            timed(home, "run.py", "teardown", "--config", config)
    print(f"instruction set: {instruction_set()}; seconds of {options.rounds} rounds\n")
    print_table(["command", "least", "most"], [[name, *_ends(rounds, name)] for name in ("zenml stack list", *MOST)])
    ratios = {name: min(timings["zenml stack list"] / timings[name] for timings in rounds) for name in MOST}
    return print_result("door", ratios, {name: 1 / most for name, most in MOST.items()}, options.json)


def _round(home: Path, config: str) -> dict[str, float]:
    """Seconds of each command, once; of `zenml stack list` the mean of two."""
    commands: dict[str, Callable[[], float]] = {
        "--help": lambda: timed(home, "run.py", "--help"),
        "predict": lambda: timed(home, "run.py", "predict", "--config", config, TEXT),
        "status": lambda: timed(home, "run.py", "status", "--config", config),
        "cached run, beyond its steps": lambda: _beyond_steps(home, config),
    }
    before = timed(home, *STACK_LIST)
    seconds = {name: command() for name, command in commands.items()}
    return {**seconds, "zenml stack list": (before + timed(home, *STACK_LIST)) / 2}


def _beyond_steps(home: Path, config: str) -> float:
    whole = timed(home, "run.py", "--config", config)
    return whole - sum(step_seconds(home).values())


def _ends(rounds: list[dict[str, float]], name: str) -> list[str]:
    seconds = [timings[name] for timings in rounds]
    return [f"{min(seconds):.2f}", f"{max(seconds):.2f}"]


def _configuration(home: Path) -> str:
    """The demo's with 400 rows and a gate that lets through what they make; its endpoint takes any port."""
    document = yaml.safe_load((ROOT / "configs" / "local.yaml").read_text(encoding="utf-8"))
    parameters = document["parameters"]
    parameters["host"]["port"] = 0
    parameters["task"] |= {"max_train_rows": 400, "epochs": 1, "max_length_tokens": 64}
    parameters["gate"] = {"baselines": "report"}
    path = home / "door.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(path)


if __name__ == "__main__":
    sys.exit(main())
