from __future__ import annotations

import os
from pathlib import Path

import pytest

from evergreen.core.errors import BusyError
from orchestration.locks import is_running, run_lock, running_process

STOP = "python run.py stop --config own.yaml --name m"


@pytest.mark.parametrize("pipeline", ["monitoring", "evaluation"])
def test_what_only_reads_goes_on_beside_a_training_once_at_a_time(tmp_path: Path, pipeline: str) -> None:
    with run_lock(tmp_path, "m", "training-1", STOP), run_lock(tmp_path, "m", "beside-1", STOP, pipeline):
        assert running_process(tmp_path, "m", "training-1") == os.getpid()
        assert running_process(tmp_path, "m", "beside-1") == os.getpid()
        with (
            pytest.raises(BusyError, match="another run of model 'm' is under way"),
            run_lock(tmp_path, "m", "beside-2", STOP, pipeline),
        ):
            pass
    assert not is_running(tmp_path, "m", pipeline)
