"""What a killed training left behind. A checkpoint is whole when its last-written file is, and the best one is there.

<checkpoint_dir>/checkpoint-40/{model.safetensors, optimizer.pt, scheduler.pt, rng_state.pth, trainer_state.json}
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

STATE_NAME = "trainer_state.json"
WEIGHTS_NAME = "model.safetensors"
_FILES = (WEIGHTS_NAME, "optimizer.pt", "scheduler.pt", "rng_state.pth")


def newest_whole_checkpoint(checkpoint_dir: Path) -> Path | None:
    """The checkpoint of the latest step that was written to the end."""
    return max(filter(_is_whole, checkpoint_dir.glob("checkpoint-*")), key=_step, default=None)


def remove_torn_checkpoints(checkpoint_dir: Path) -> None:
    """Removes what was not written to the end, so that a training may write it anew."""
    for path in checkpoint_dir.glob("checkpoint-*"):
        if not _is_whole(path):
            shutil.rmtree(path)


def newest_step(checkpoint_dir: Path) -> int | None:
    """The step after which a training goes on; None where it begins anew."""
    newest = newest_whole_checkpoint(checkpoint_dir)
    return None if newest is None else _step(newest)


def patience_ended(checkpoint: Path) -> bool:
    """Whether training stopped early at this whole checkpoint: whoever resumes from it has nothing left to train."""
    stopping = _state(checkpoint).get("stateful_callbacks", {}).get("EarlyStoppingCallback")
    if stopping is None:
        return False
    waited, patience = "early_stopping_patience_counter", "early_stopping_patience"
    return bool(stopping["attributes"][waited] >= stopping["args"][patience])


def _state(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((path / STATE_NAME).read_text(encoding="utf-8"))
    return state


def _is_whole(path: Path) -> bool:
    try:
        state = _state(path)
    except (OSError, ValueError):
        return False
    best = path.parent / Path(state.get("best_model_checkpoint") or path).name
    files = [path / name for name in _FILES] + [best / WEIGHTS_NAME]
    return state.get("global_step") == _step(path) and all(file.is_file() for file in files)


def _step(path: Path) -> int:
    number = path.name.removeprefix("checkpoint-")
    return int(number) if number.isdecimal() else -1
