"""Engines without a network: what lies beside a model, for tests of those who carry it."""

from __future__ import annotations

import json
from pathlib import Path

from evergreen.core.artifacts import FileEntry
from evergreen.core.engines import (
    FP32,
    FP32_FILE,
    KEPT_INPUTS_NAME,
    EngineChoice,
    Engines,
    EnginesManifest,
    EngineVariant,
    ServedEngines,
)


def write_engines(folder: Path, version: str) -> ServedEngines:
    """Engines of a version, whose graph is none."""
    folder.mkdir(parents=True)
    (folder / FP32_FILE).write_bytes(b"a graph")
    (folder / KEPT_INPUTS_NAME).write_text(json.dumps([{"text": "kept"}]), encoding="utf-8")
    files = tuple(FileEntry.of(path, folder) for path in sorted(folder.iterdir()))
    manifest = EnginesManifest(files=files, model=version, variants=(EngineVariant(name=FP32, file=FP32_FILE),))
    choice = EngineChoice(serves=FP32, instruction_set="avx2", reason="the fastest")
    return ServedEngines(Engines.write(folder, manifest), choice)
