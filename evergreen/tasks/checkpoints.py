"""What a killed training left behind. A checkpoint is whole when its last-written file is.

<checkpoint_dir>/checkpoint-40/{model.safetensors, optimizer.pt, scheduler.pt, rng_state.pth, trainer_state.json}
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

STATE_NAME = "trainer_state.json"
_FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth")


def newest_whole_checkpoint(checkpoint_dir: Path) -> Path | None:
    """The checkpoint of the latest step that was written to the end; whatever is torn is removed."""
    whole = []
    for path in checkpoint_dir.glob("checkpoint-*"):
        if _is_whole(path):
            whole.append(path)
        else:
            shutil.rmtree(path)
    return max(whole, key=_step, default=None)


def _is_whole(path: Path) -> bool:
    try:
        state = json.loads((path / STATE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return state.get("global_step") == _step(path) and all((path / name).is_file() for name in _FILES)


def _step(path: Path) -> int:
    number = path.name.removeprefix("checkpoint-")
    return int(number) if number.isdecimal() else -1
