"""Engines: the graphs that answer in a model's place, which of them does, and how both lie beside the model on a host.

engines/manifest.json      {"model": "3fa41c02be17", "variants": [{"name": "fp32", "file": "fp32.onnx"}, …], …}
engines/fp32.onnx          inputs by name, outputs `logits` and `row_embedding`: (rows, 32) float32
engines/int8-u8s8.onnx
engines/kept_inputs.json   [{"text": "Shares rose"}, …]  instances to compare engines by on another processor
engines/choice.json        {"serves": "int8-u8s8", "instruction_set": "avx512_vnni", …}

They belong to a version and are no part of it: its content hash is that of weights, tokenizer and task.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evergreen.core.artifacts import MANIFEST_NAME, DirectoryArtifact, FileName, Manifest
from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.core.metric import Metric

ENGINES_FOLDER = "engines"
CHOICE_NAME = "choice.json"
KEPT_INPUTS_NAME = "kept_inputs.json"
KEPT_INPUTS = 64
LOGITS, EMBEDDING = "logits", "row_embedding"
"""Outputs of a graph."""
EMBEDDING_SIZE = 32
TORCH, FP32 = "torch", "fp32"
FP32_FILE = "fp32.onnx"


class EngineVariant(Frozen):
    """One graph. `batched` says that a row's answer does not depend on the rows beside it; others take rows one by one.

    Dynamic quantization scales the activations of a whole batch alike, so a row alone is what such a graph is given.
    """

    name: str
    file: FileName
    batched: bool = True


class EnginesManifest(Manifest):
    """`model` is the version whose graphs these are; `refused` says why there are none; `packages` what made them."""

    model: str
    variants: tuple[EngineVariant, ...] = ()
    refused: str | None = None
    packages: dict[str, str] = {}

    @property
    def facts(self) -> dict[str, str]:
        """The variants by name, or why there are none."""
        names = ", ".join(variant.name for variant in self.variants)
        return {"engines": names or f"none: {self.refused}"}

    def variant(self, name: str) -> EngineVariant | None:
        """A variant by its name."""
        return next((variant for variant in self.variants if variant.name == name), None)


class Engines(DirectoryArtifact[EnginesManifest]):
    """Graphs of one model version, and the inputs to compare them by."""

    manifest_type = EnginesManifest

    def file(self, variant: EngineVariant) -> Path:
        """Where a graph lies."""
        return self.path / variant.file

    def kept_inputs(self) -> list[dict[str, Any]]:
        """Instances as a client would send them.

        Raises:
            InputError: they cannot be read.
        """
        path = self.path / KEPT_INPUTS_NAME
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} holds no instances: {error}") from error
        if not isinstance(kept, list) or not all(isinstance(instance, dict) for instance in kept):
            raise InputError(f"{path} holds no list of instances; train the model again")
        return kept


@dataclass(frozen=True)
class EngineGraph:
    """One graph to be loaded, and how many threads it gets; 0: as many as there are cores."""

    engines: Engines
    variant: EngineVariant
    threads: int = 0

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.engines.file(self.variant)


class MeasuredEngine(Frozen):
    """One engine on the machine of the evaluation; torch is one of them, and what the others are compared with.

    Latencies are milliseconds of one-instance predictions, `memory_bytes` what the process grew by when it was loaded
    and asked. `disagreement` is the share of `compared` rows, of which no label is needed, that it answers otherwise
    than float32, up to the upper end of its interval; `loss` what the primary metric loses by it on the test rows,
    paired, where more is worse. `admitted` with the `reason` of that.
    """

    name: str
    rows_per_s: float
    latency_p50_ms: float
    latency_p95_ms: float
    memory_bytes: int
    size_bytes: int
    compared: int = 0
    disagreement: Metric | None = None
    loss: Metric | None = None
    admitted: bool
    reason: str


class EngineChoice(Frozen):
    """Which engine serves where the processor has `instruction_set`: a variant's name, or `torch`; and why.

    What the evaluation reports is what this engine answers.
    """

    serves: str
    instruction_set: str
    reason: str
    variants: tuple[MeasuredEngine, ...] = ()

    def measured(self, name: str) -> MeasuredEngine | None:
        """An engine's measurements, by its name."""
        return next((variant for variant in self.variants if variant.name == name), None)

    @property
    def admitted(self) -> tuple[str, ...]:
        """The engines that may serve, by name."""
        return tuple(variant.name for variant in self.variants if variant.admitted)


@dataclass(frozen=True)
class ServedEngines:
    """What lies beside a model on a host: engines, and which of them serves."""

    engines: Engines
    choice: EngineChoice

    @property
    def admitted(self) -> EnginesManifest:
        """What a host gets of the engines: float32 and those that may serve, without the other graphs."""
        made = self.engines.manifest
        names = {FP32, self.choice.serves, *self.choice.admitted}
        variants = tuple(variant for variant in made.variants if variant.name in names)
        others = {variant.file for variant in made.variants} - {variant.file for variant in variants}
        files = tuple(entry for entry in made.files if entry.name not in others)
        return made.model_copy(update={"files": files, "variants": variants})


def add_engines(model_dir: Path, served: ServedEngines) -> Path:
    """The model's directory after the engines that may serve were put into `engines/` of it, whole or not at all.

    Files are hard-linked where that works; what lay there before is replaced, and who has it open keeps it.

    Raises:
        OSError: the disk is full, or the directory is not ours to write to.
    """
    target = model_dir / ENGINES_FOLDER
    manifest = served.admitted
    unfinished, replaced = (model_dir / f".{ENGINES_FOLDER}.{os.getpid()}{suffix}" for suffix in ("", ".replaced"))
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        for entry in manifest.files:
            copy = unfinished / entry.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(served.engines.path / entry.name, copy)
        (unfinished / CHOICE_NAME).write_text(served.choice.model_dump_json(indent=2), encoding="utf-8")
        (unfinished / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
        if target.exists():
            target.rename(replaced)  # and not removed first: whoever starts meanwhile misses it for a moment only
        unfinished.rename(target)
    finally:
        for folder in (unfinished, replaced):
            shutil.rmtree(folder, ignore_errors=True)
    return model_dir


def read_engines(model_dir: Path, version: str | None = None) -> ServedEngines | None:
    """What lies in `engines/` of a model's directory; None where there is no such folder. No graph is read.

    Raises:
        InputError: manifest or choice are damaged, or of another version than `version`.
    """
    folder = model_dir / ENGINES_FOLDER
    if not folder.is_dir():
        return None
    engines = Engines.open(folder)
    if version is not None and engines.manifest.model != version:
        raise InputError(f"{folder} holds engines of version {engines.manifest.model}, not of {version}")
    try:
        choice = EngineChoice.model_validate_json((folder / CHOICE_NAME).read_bytes())
    except (OSError, ValidationError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"{folder / CHOICE_NAME} says of no engine that it serves: {said}; let `deploy` put it there, which has it "
            "of the evaluation"
        ) from error
    if choice.serves != TORCH and engines.manifest.variant(choice.serves) is None:
        names = ", ".join(variant.name for variant in engines.manifest.variants) or "none"
        raise InputError(f"{folder / CHOICE_NAME} names engine {choice.serves!r}, which is not there (has: {names})")
    return ServedEngines(engines, choice)


def link_or_copy(source: Path, copy: Path) -> None:
    """Makes `copy` a hard link of a file, or a copy where the file systems differ or have no links."""
    try:
        os.link(source, copy)
    except OSError:
        shutil.copy2(source, copy)
