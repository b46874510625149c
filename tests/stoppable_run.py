"""A run of the local stack that is at its rollout, in a process: `python -m tests.stoppable_run MODEL LEASE`.

It prints `rolling` when a canary has its share, and, once it was stopped, the traffic that it left.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from zenml import pipeline, step

from commands.console import quiet_zenml, report_errors
from commands.started import stopped_with_this_command
from commands.termination import sigterm_raises
from evergreen.adapters.local_endpoint.host import FileLease
from evergreen.core.deployment import EndpointStatus
from evergreen.core.lease import Rollout
from orchestration.endpoints import state_directory
from orchestration.locks import model_lease, run_lock
from orchestration.runs import model_tag
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_host import hosting

BEFORE = EndpointStatus(url="http://127.0.0.1:1", traffic={"a1": 100}, ready=("a1",))


@step
def roll(model: str, run: str, lease: str) -> None:
    with model_lease(FileLease(Path(lease)), model, run, 0) as claim:
        claim.note(Rollout(run=run, version="b2", champion="a1", before=BEFORE))
        sys.stdout.write("rolling\n")
        sys.stdout.flush()
        time.sleep(600)


@pipeline(enable_cache=False)
def training(model: str, run: str, lease: str) -> None:
    roll(model, run, lease)


def main(model: str, lease: str) -> int:
    run, endpoint = f"training-of-{model}", MemoryEndpoint({"a1": 90, "b2": 10})
    project: Any = SimpleNamespace(
        model_name=model, host=hosting(endpoint, FileLease(Path(lease))), active_stack="default"
    )
    with (
        report_errors(debug=False) as outcome,
        sigterm_raises(),
        quiet_zenml(debug=False),
        stopped_with_this_command(project, run, detach=False),
        run_lock(state_directory(), model, run, "python run.py stop"),
    ):
        training.with_options(run_name=run, tags=[model_tag(model)])(model, run, lease)
    sys.stdout.write(f"left {endpoint.traffic}\n")
    return outcome.code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
