"""The server, where loading the graphs that are named ends the process as a crash of compiled code does:

python -m tests.crashing_engine int8.onnx
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evergreen.serving import loading
from evergreen.tasks import load_engine

CRASHED = 139


def crashing(files: set[str]) -> Callable[..., Any]:
    def load(model_dir: Path, engine: Any, *rest: Any) -> Any:
        if engine.path.name in files:
            os._exit(CRASHED)
        return load_engine(model_dir, engine, *rest)

    return load


if __name__ == "__main__":
    vars(loading)["load_engine"] = crashing(set(sys.argv[1:]))
    sys.argv = ["evergreen.serving"]
    runpy.run_module("evergreen.serving", run_name="__main__", alter_sys=True)
