"""The engines of a trained model, made once it is trained: what fails here costs no training, torch serves then.

make_engines(task, model, splits, Path("engines")) → Engines: fp32.onnx, int8-u8s8.onnx, …, kept_inputs.json
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evergreen.core.artifacts import FileEntry, Splits, TrainedModel
from evergreen.core.engines import (
    FP32,
    FP32_FILE,
    KEPT_INPUTS,
    KEPT_INPUTS_NAME,
    Engines,
    EnginesManifest,
    EngineVariant,
)
from evergreen.core.errors import EvergreenError
from evergreen.core.members import TaskSettings, exportable
from evergreen.core.protocols import Exportable

_log = logging.getLogger(__name__)


def make_engines(task: TaskSettings, model: TrainedModel, splits: Splits, out_dir: Path) -> Engines:
    """The graphs of a model in the empty directory `out_dir`; none, with the reason, where there cannot be any."""
    exporting = exportable(task)
    if exporting is None:
        return _refused(model, out_dir, f"models of kind {task.kind} have no graphs")
    try:
        return engines_of(exporting, model, list(exporting.kept_inputs(splits, KEPT_INPUTS)), out_dir)
    except OSError as error:
        reason = f"its graphs cannot be written to {out_dir}: {error.strerror or error}"
    except EvergreenError as error:
        reason = str(error)
    except Exception as error:  # whatever an architecture's code raises: hours of training are not lost for a graph
        _log.debug("no engines", exc_info=True)
        reason = f"making its graphs ended in {type(error).__name__}: {error}"
    return _refused(model, out_dir, reason)


def engines_of(exporting: Exportable, model: TrainedModel, kept: list[dict[str, Any]], out_dir: Path) -> Engines:
    """The graphs of a model in the empty directory `out_dir`, with the instances to compare them by.

    Raises whatever an export raises.
    """
    from evergreen.engines.export import made_by

    out_dir.mkdir(parents=True, exist_ok=True)
    exporting.export(model.path, out_dir)
    variants = (EngineVariant(name=FP32, file=FP32_FILE), *_quantized(out_dir))
    (out_dir / KEPT_INPUTS_NAME).write_text(json.dumps(kept), encoding="utf-8")
    entries = tuple(FileEntry.of(path, out_dir) for path in sorted(out_dir.iterdir()))
    manifest = EnginesManifest(files=entries, model=model.version, variants=variants, packages=made_by())
    return Engines.write(out_dir, manifest)


def _quantized(out_dir: Path) -> Iterator[EngineVariant]:
    """The int8 variants; a graph that cannot be quantized serves as it is."""
    from evergreen.engines.quantize import INT8, quantize

    for name in INT8:
        file = f"{name}.onnx"
        try:
            made = quantize(out_dir / FP32_FILE, name, out_dir / file)
        except (ValueError, RuntimeError, KeyError, IndexError) as error:  # of a library that meets a rare operation
            _log.warning("the model has no engine %s: %s", name, error)
            (out_dir / file).unlink(missing_ok=True)
            continue
        if made:
            yield EngineVariant(name=name, file=file, batched=False)


def _refused(model: TrainedModel, out_dir: Path, reason: str) -> Engines:
    _log.warning("torch serves version %s: %s", model.version, reason)
    shutil.rmtree(out_dir, ignore_errors=True)
    out_dir.mkdir(parents=True, exist_ok=True)
    return Engines.write(out_dir, EnginesManifest(files=(), model=model.version, refused=reason))
