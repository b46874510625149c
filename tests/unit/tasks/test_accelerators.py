"""An accelerator that was asked for is there, or nothing is trained or served in its place."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from evergreen.core.errors import InputError
from evergreen.tasks.accelerators import check_accelerators

OLD_DRIVER = "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver."
NO_KERNEL = "CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might be …"


def gpus(monkeypatch: pytest.MonkeyPatch, count: int, init: str | None = None, compute: str | None = None) -> None:
    """Lets torch see so many GPUs that compute, as far as no error's text is given."""

    def raising(text: str | None) -> None:
        if text is not None:
            raise RuntimeError(text)

    def ones(*_: int, device: str) -> torch.Tensor:
        assert int(device.removeprefix("cuda:")) < count
        raising(compute)
        return torch.tensor([1.0])

    monkeypatch.setattr(torch.cuda, "init", lambda: raising(init))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch, "ones", ones)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"EVERGREEN_ACCELERATORS": "", "AIP_ACCELERATOR_TYPE": ""},
        {"AIP_ACCELERATOR_TYPE": "ACCELERATOR_TYPE_UNSPECIFIED"},
    ],
)
def test_whoever_asked_for_none_needs_none(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 0, init="No CUDA GPUs are available")
    check_accelerators(environment)


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({"EVERGREEN_ACCELERATORS": "1 NVIDIA_TESLA_T4"}, 1),
        ({"EVERGREEN_ACCELERATORS": "2 NVIDIA_L4"}, 4),
        ({"EVERGREEN_ACCELERATORS": "1 GPU"}, 1),
        ({"AIP_ACCELERATOR_TYPE": "NVIDIA_TESLA_T4"}, 1),
    ],
)
def test_accelerators_that_compute_are_fine(
    environment: dict[str, str], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(monkeypatch, count)
    check_accelerators(environment)


@pytest.mark.parametrize(
    ("asked", "seen", "problem"),
    [
        ("1 NVIDIA_TESLA_T4", {"count": 0, "init": OLD_DRIVER}, "driver on your system is too old"),
        ("1 NVIDIA_TESLA_V100", {"count": 1, "compute": NO_KERNEL}, "no kernel image is available"),
        ("4 NVIDIA_L4", {"count": 2}, "it sees 2"),
    ],
)
def test_others_stop_whoever_asked_with_the_reason_and_what_to_do(
    asked: str, seen: dict[str, Any], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(monkeypatch, **seen)
    with pytest.raises(InputError) as caught:
        check_accelerators({"EVERGREEN_ACCELERATORS": asked})
    message = str(caught.value)
    assert message.startswith(f"accelerator {asked} was asked for, but torch cannot use it here: ")
    assert problem in message
    assert f"torch {torch.__version__}, built for" in message
    assert "driver: " in message
    assert "build the image with torch from https://download.pytorch.org/whl/cu126" in message
    assert "\n" not in message
