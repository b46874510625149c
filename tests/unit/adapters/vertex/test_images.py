"""Which of the two serving images a version runs in, and what of it decides the container's alias."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commands.run import _image_lines
from evergreen.adapters.vertex.names import container_alias
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.adapters.vertex.specification import image_for, version_message
from evergreen.core.engines import EngineChoice, Engines, EnginesManifest, EngineVariant, ServedEngines, add_engines

TORCH, GRAPHS = "registry/serving@sha256:1", "registry/serving-onnx@sha256:2"
GPU = {"accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 1}


def host(**more: Any) -> VertexHostSettings:
    given = {"project": "p", "region": "europe-west4", "staging": "gs://models/m", "image": TORCH}
    return VertexHostSettings.model_validate(given | more)


def model_with(path: Path, serves: str | None) -> Path:
    path.mkdir()
    if serves is not None:
        (path / "graphs").mkdir()
        variants = (EngineVariant(name="fp32", file="fp32.onnx"),)
        manifest = EnginesManifest(files=(), model="1f", variants=variants)
        choice = EngineChoice(serves=serves, instruction_set="avx2", reason="it is the fastest")
        add_engines(path, ServedEngines(Engines.write(path / "graphs", manifest), choice))
    return path


@pytest.mark.parametrize(
    ("serves", "more", "image"),
    [
        ("fp32", {"onnx_image": GRAPHS}, GRAPHS),
        ("torch", {"onnx_image": GRAPHS}, TORCH),
        (None, {"onnx_image": GRAPHS}, TORCH),
        ("fp32", {}, TORCH),
        ("fp32", {"onnx_image": GRAPHS, **GPU}, TORCH),
    ],
)
def test_a_version_that_a_graph_answers_for_runs_without_torch(
    tmp_path: Path, serves: str | None, more: dict[str, Any], image: str
) -> None:
    model = model_with(tmp_path / "model", serves)
    assert image_for(host(**more), model, "1f") == image
    message = version_message(host(**more), "news", "1f", "gs://models/m", image)
    assert message.container_spec.image_uri == image


def test_engines_that_cannot_be_read_are_served_by_torch(tmp_path: Path) -> None:
    model = model_with(tmp_path / "model", "fp32")
    (model / "engines" / "choice.json").write_text(json.dumps({"serves": "int9"}))
    assert image_for(host(onnx_image=GRAPHS), model, "1f") == TORCH
    assert image_for(host(onnx_image=GRAPHS), model_with(tmp_path / "other", "fp32"), "2e") == TORCH


def test_another_image_is_another_container_and_one_alone_is_what_it_was() -> None:
    one, both = (container_alias(one, "news", "1f") for one in (host(), host(onnx_image=GRAPHS)))
    assert one == "c-1f-d0aa5d70de67"
    assert len({one, both, container_alias(host(onnx_image="registry/serving-onnx@sha256:3"), "news", "1f")}) == 3


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        (
            {"onnx_image": GRAPHS},
            [f"{GRAPHS} where the evaluation chooses a graph", f"{TORCH} where torch is to answer"],
        ),
        ({}, [f"{TORCH}: whichever engine the evaluation chooses"]),
        ({"onnx_image": GRAPHS, **GPU}, [f"{TORCH}: torch, on a GPU"]),
    ],
)
def test_the_plan_says_which_image_the_model_will_need(more: dict[str, Any], lines: list[str]) -> None:
    class Given:
        host = None

    given: Any = Given()
    given.host = host(**more)
    assert [line.removeprefix("serves").strip() for line in _image_lines(given)] == lines
