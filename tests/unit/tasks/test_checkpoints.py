import json
import shutil
from pathlib import Path

import pytest

from evergreen.tasks.checkpoints import newest_whole_checkpoint, patience_ended, remove_torn_checkpoints

FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth")


def write_checkpoint(folder: Path, step: int) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    for name in FILES:
        (path / name).write_bytes(b"0")
    (path / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return path


def test_an_empty_directory_has_no_checkpoint(tmp_path: Path) -> None:
    assert newest_whole_checkpoint(tmp_path) is None


def test_the_latest_step_counts_not_the_order_of_names(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 9)
    newest = write_checkpoint(tmp_path, 10)

    assert newest_whole_checkpoint(tmp_path) == newest


@pytest.mark.parametrize("missing", [*FILES, "trainer_state.json"])
def test_a_torn_checkpoint_is_passed_over_and_removed(tmp_path: Path, missing: str) -> None:
    whole, torn = write_checkpoint(tmp_path, 10), write_checkpoint(tmp_path, 20)
    (torn / missing).unlink()

    assert newest_whole_checkpoint(tmp_path) == whole
    assert torn.exists()  # who only looks changes nothing
    remove_torn_checkpoints(tmp_path)
    assert (whole.exists(), torn.exists()) == (True, False)


def test_a_checkpoint_without_the_best_one_that_it_names_is_not_gone_on_from(tmp_path: Path) -> None:
    best, newest = write_checkpoint(tmp_path, 10), write_checkpoint(tmp_path, 20)
    state = {"global_step": 20, "best_model_checkpoint": f"/elsewhere/{best.name}"}
    (newest / "trainer_state.json").write_text(json.dumps(state))
    assert newest_whole_checkpoint(tmp_path) == newest

    shutil.rmtree(best)
    assert newest_whole_checkpoint(tmp_path) is None


@pytest.mark.parametrize(("waited", "ended"), [(0, False), (2, False), (3, True)])
def test_patience_ends_after_as_many_evaluations_as_it_has(tmp_path: Path, waited: int, ended: bool) -> None:
    path = write_checkpoint(tmp_path, 10)
    assert not patience_ended(path)
    stopping = {
        "args": {"early_stopping_patience": 3},
        "attributes": {"early_stopping_patience_counter": waited},
    }
    state = {"global_step": 10, "stateful_callbacks": {"EarlyStoppingCallback": stopping}}
    (path / "trainer_state.json").write_text(json.dumps(state))
    assert patience_ended(path) is ended


def test_a_half_written_state_means_a_torn_checkpoint(tmp_path: Path) -> None:
    torn = write_checkpoint(tmp_path, 20)
    (torn / "trainer_state.json").write_text('{"global_step": 20, "log_hist')

    assert newest_whole_checkpoint(tmp_path) is None
