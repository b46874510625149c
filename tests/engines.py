"""Engines without a network: what lies beside a model, for tests of those who carry it."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
    MeasuredEngine,
    ServedEngines,
)


def write_engines(
    folder: Path, version: str, others: Sequence[str] = (), admitted: str = FP32, graph: bytes = b"a graph"
) -> ServedEngines:
    """Engines of a version, whose graphs are none: float32 and `others`, of which `admitted` serves."""
    folder.mkdir(parents=True)
    (folder / FP32_FILE).write_bytes(graph)
    for name in others:
        (folder / f"{name}.onnx").write_bytes(name.encode())
    (folder / KEPT_INPUTS_NAME).write_text(json.dumps([{"text": "kept"}]), encoding="utf-8")
    files = tuple(FileEntry.of(path, folder) for path in sorted(folder.iterdir()))
    variants = (
        EngineVariant(name=FP32, file=FP32_FILE),
        *(EngineVariant(name=name, file=f"{name}.onnx", batched=False) for name in others),
    )
    manifest = EnginesManifest(files=files, model=version, variants=variants)
    measured = tuple(_measured(variant.name, variant.name in (FP32, admitted)) for variant in variants)
    choice = EngineChoice(serves=admitted, instruction_set="avx2", reason="the fastest", variants=measured)
    return ServedEngines(Engines.write(folder, manifest), choice)


def _measured(name: str, admitted: bool) -> MeasuredEngine:
    return MeasuredEngine(
        name=name,
        rows_per_s=20.0,
        latency_p50_ms=50.0,
        latency_p95_ms=60.0,
        memory_bytes=10**8,
        size_bytes=10**7,
        admitted=admitted,
        reason="the fastest" if admitted else "it disagrees too much",
    )
