"""ONNX Runtime, which tells its maker nothing of this machine."""

from __future__ import annotations

import os
from types import ModuleType

NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""Read once, when the library loads: without it, it opens a database in the home directory and sends events."""


def onnx_runtime() -> ModuleType:
    """The library, loaded without its telemetry; every import of it comes after a call of this."""
    os.environ[NO_TELEMETRY] = "1"
    import onnxruntime

    library: ModuleType = onnxruntime
    return library
