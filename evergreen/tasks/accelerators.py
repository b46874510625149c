"""Whether the accelerators that a machine was asked to have can be used: else its CPU would train, at their price.

EVERGREEN_ACCELERATORS="1 NVIDIA_TESLA_T4"      what a step was given, by its configuration; or UNSPECIFIED: none
AIP_ACCELERATOR_TYPE=NVIDIA_TESLA_T4            what Vertex AI tells a server of its machine
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from evergreen.core.errors import InputError

GIVEN = "EVERGREEN_ACCELERATORS"
OF_THE_PLATFORM = "AIP_ACCELERATOR_TYPE"
UNSPECIFIED = "ACCELERATOR_TYPE_UNSPECIFIED"
"""Vertex AI's own word for none."""
NONE = ("", UNSPECIFIED)
CUDA_INDEX = "https://download.pytorch.org/whl/cu126"
"""Where torch comes from that runs on GPUs: of this torch's builds the one that the oldest drivers take."""
OLDEST_DRIVER = 525
"""Of CUDA 12, on which a build for any 12.x runs (CUDA Compatibility, "minor version compatibility")."""
_DRIVER = Path("/proc/driver/nvidia/version")


def check_accelerators(environment: Mapping[str, str]) -> None:
    """Returns when no accelerator was asked for, or torch computes on as many as were.

    Raises:
        InputError: it cannot; the message tells what was asked for, what there is, and what to do.
    """
    asked = environment.get(GIVEN, "") or environment.get(OF_THE_PLATFORM, "")
    if asked not in NONE and (problem := unusable(asked)):
        raise InputError(
            f"{problem}; build the image with torch from {CUDA_INDEX}, which takes drivers from {OLDEST_DRIVER} on, "
            "choose another accelerator, or ask for none"
        )


def unusable(asked: str) -> str | None:
    """Why torch cannot compute on `1 NVIDIA_TESLA_T4` on this machine, in a sentence; None: it can."""
    import torch

    reason = _obstacle(_count(asked))
    if reason is None:
        return None
    built = f"torch {torch.__version__}, built for {f'CUDA {torch.version.cuda}' if torch.version.cuda else 'no CUDA'}"
    return f"accelerator {asked} was asked for, but torch cannot use it here: {reason} ({built}; driver: {_driver()})"


def _count(asked: str) -> int:
    number, _, kind = asked.partition(" ")
    return int(number) if kind and number.isdecimal() else 1


def _obstacle(count: int) -> str | None:
    """Why torch cannot compute on `count` GPUs, in its own words; None: it can."""
    import torch

    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
        if (seen := torch.cuda.device_count()) < count:
            return f"it sees {seen}"
        for number in range(count):
            torch.ones(1, device=f"cuda:{number}").add(1).item()  # a GPU too old or too new for the build shows here
    except (AssertionError, RuntimeError) as error:  # the first is what a build without CUDA raises
        return str(error).strip().partition("\n")[0].rstrip(".")
    return None


def _driver() -> str:
    """The version line of NVIDIA's kernel module."""
    try:
        return _DRIVER.read_text(encoding="utf-8").partition("\n")[0].removeprefix("NVRM version: ")
    except OSError:
        return "none"
