"""Which accelerators torch's builds run on, and that the images take the build that is meant."""

from __future__ import annotations

import pytest
import yaml

from evergreen.tasks.accelerators import CUDA_INDEX
from orchestration.costs import load_prices
from orchestration.wheels import CAPABILITIES, PYPI, refusal
from tests.dockerfile import ROOT, Dockerfile


@pytest.mark.parametrize("accelerator", ["NVIDIA_TESLA_P100", "NVIDIA_TESLA_V100"])
def test_what_todays_builds_dropped_is_refused_with_what_runs_there(accelerator: str) -> None:
    message = refusal(accelerator, f"{PYPI}/")
    assert message is not None
    assert message.startswith(f"{accelerator}: torch from {PYPI} has no code for its compute capability ")
    assert message.endswith(f"(7.5 to 12.0); take torch from {CUDA_INDEX}, or choose another accelerator")
    assert refusal(accelerator, CUDA_INDEX) is None


def test_what_is_newer_than_a_build_is_refused_too() -> None:
    message = refusal("NVIDIA_B200", CUDA_INDEX)
    assert message is not None
    assert "take torch from https://download.pytorch.org/whl/cu130" in message
    assert refusal("NVIDIA_B200", PYPI) is None


def test_a_build_for_cpus_runs_on_none() -> None:
    message = refusal("NVIDIA_TESLA_T4", "https://download.pytorch.org/whl/cpu")
    assert message is not None
    assert f"take it from {CUDA_INDEX}" in message


@pytest.mark.parametrize(("accelerator", "index"), [("TPU_V9", PYPI), ("NVIDIA_TESLA_V100", "https://mirror.example/")])
def test_nothing_is_said_of_what_is_not_known(accelerator: str, index: str) -> None:
    assert refusal(accelerator, index) is None


def test_the_pipeline_takes_the_build_for_gpus_and_every_priced_accelerator_is_known() -> None:
    (argument,) = [line for line in Dockerfile.of("pipeline").all("ARG") if line.startswith("TORCH_INDEX=")]
    build = yaml.safe_load((ROOT / "infra" / "cloudbuild.yaml").read_text("utf-8"))
    assert argument == f"TORCH_INDEX={CUDA_INDEX}"
    assert build["substitutions"]["_PIPELINE_TORCH_INDEX"] == CUDA_INDEX
    prices = load_prices()
    priced = {kind for region in prices.regions.values() for kind in region.accelerators}
    assert priced <= CAPABILITIES.keys()
    assert [kind for kind in priced if refusal(kind, CUDA_INDEX)] == []
