"""What ZenML, the gate and the endpoint add to the work inside the steps, and how long an idle repetition takes.

The demo's configuration runs twice in a ZenML of its own; limits are the seconds that a person should have to wait.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from bench.report import parse_arguments, print_result, print_table

ROOT = Path(__file__).parents[1]
LIMITS_S = {"demo": 240.0, "second_run": 20.0, "help": 0.5}
HELP_ROUNDS = 5
STEP_SECONDS = """
import json, sys
from zenml.client import Client
run = Client().list_pipeline_runs(sort_by="desc:created", size=1, hydrate=True).items[0]
print(json.dumps({
    name: 0.0 if str(step.status) == "cached" else (step.end_time - step.start_time).total_seconds()
    for name, step in run.steps.items()
}))
"""


def main() -> int:
    """Exit code 0 when every limit holds."""
    as_json = parse_arguments(__doc__ or "")
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as folder:
        home = Path(folder)
        config = _configuration(home)
        stack_s = timed(home, "-m", "stacks.apply", "local")
        try:
            first_s = timed(home, "run.py", "--config", str(config))
            first_steps = step_seconds(home)
            second_s = timed(home, "run.py", "--config", str(config))
            second_steps = step_seconds(home)
        finally:
            timed(home, "run.py", "teardown", "--config", str(config))
        help_s = statistics.median(timed(home, "run.py", "--help") for _ in range(HELP_ROUNDS))
    print_table(
        ["command", "wall s", "inside steps s", "overhead s"],
        [
            ["stacks.apply local", f"{stack_s:.1f}", "-", "-"],
            _row("first run", first_s, first_steps),
            _row("second, identical run", second_s, second_steps),
            ["run.py --help", f"{help_s:.2f}", "-", "-"],
        ],
    )
    print("inside steps: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in first_steps.items()))
    measured = {"demo": stack_s + first_s, "second_run": second_s, "help": help_s}
    ratios = {name: LIMITS_S[name] / seconds for name, seconds in measured.items()}
    return print_result("pipeline_overhead", ratios, dict.fromkeys(ratios, 1.0), as_json)


def _row(name: str, wall_s: float, steps: dict[str, float]) -> list[str]:
    inside = sum(steps.values())
    return [name, f"{wall_s:.1f}", f"{inside:.1f}", f"{wall_s - inside:.1f}"]


def _configuration(home: Path) -> Path:
    document = yaml.safe_load((ROOT / "configs" / "local.yaml").read_text(encoding="utf-8"))
    document["parameters"]["host"]["port"] = 0
    path = home / "bench.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def _environment(home: Path, root: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ZENML_STORE_")}
    own = {"ZENML_CONFIG_PATH": str(home / "zenml"), "ZENML_ANALYTICS_OPT_IN": "false", "PYTHONPATH": str(root)}
    return kept | own


def output_of(home: Path, *arguments: str, root: Path = ROOT) -> str:
    """What a finished `python …` of the checkout at `root` prints. Raises RuntimeError with all of it when it fails."""
    command, environment = [sys.executable, *arguments], _environment(home, root)
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def timed(home: Path, *arguments: str, root: Path = ROOT) -> float:
    """Seconds of a finished `python …` of the checkout at `root`, with the ZenML in `home`."""
    began = time.perf_counter()
    output_of(home, *arguments, root=root)
    return time.perf_counter() - began


def step_seconds(home: Path, root: Path = ROOT) -> dict[str, float]:
    """Seconds of each step of the newest run; those that came from cache took none."""
    steps: dict[str, float] = json.loads(output_of(home, "-c", STEP_SECONDS, root=root).splitlines()[-1])
    return steps


if __name__ == "__main__":
    sys.exit(main())
