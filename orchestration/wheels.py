"""Which accelerators torch's wheels have code for: others are found, and refuse the first computation.

PyTorch's "CUDA support matrix" (RELEASE.md) for release 2.13; capabilities from developer.nvidia.com/cuda-gpus. Builds
for CUDA 13, PyPI's among them, dropped P100 and V100; that for CUDA 12.6 has them, and none that is newer than H200.
"""

from __future__ import annotations

from collections.abc import Mapping

from evergreen.tasks.accelerators import CUDA_INDEX

PIPELINE_INDEX = "EVERGREEN_PIPELINE_TORCH_INDEX"
SERVING_INDEX = "EVERGREEN_SERVING_TORCH_INDEX"
"""Variables that name where an image takes torch from; unset, infra/cloudbuild.yaml says it."""
PYPI = "https://pypi.org/simple"
Capability = tuple[int, int]
_CUDA_13: tuple[Capability, Capability] = ((7, 5), (12, 0))
CODE_FOR: Mapping[str, tuple[Capability, Capability]] = {
    CUDA_INDEX: ((5, 0), (9, 0)),
    "https://download.pytorch.org/whl/cu130": _CUDA_13,
    "https://download.pytorch.org/whl/cu132": _CUDA_13,
    PYPI: _CUDA_13,
}
"""Oldest and newest compute capability by index."""
CAPABILITIES: Mapping[str, Capability] = {
    "NVIDIA_TESLA_P100": (6, 0),
    "NVIDIA_TESLA_P4": (6, 1),
    "NVIDIA_TESLA_V100": (7, 0),
    "NVIDIA_TESLA_T4": (7, 5),
    "NVIDIA_TESLA_A100": (8, 0),
    "NVIDIA_A100_80GB": (8, 0),
    "NVIDIA_L4": (8, 9),
    "NVIDIA_H100_80GB": (9, 0),
    "NVIDIA_H100_MEGA_80GB": (9, 0),
    "NVIDIA_H200_141GB": (9, 0),
    "NVIDIA_B200": (10, 0),
    "NVIDIA_GB200": (10, 0),
    "NVIDIA_RTX_PRO_6000": (12, 0),
}
"""By Vertex AI's name of the accelerator."""


def refusal(accelerator: str, index: str) -> str | None:
    """Why torch from an index does not run on an accelerator, and what does; None: it does, or nothing is known of one.

    `NVIDIA_TESLA_V100: torch from https://pypi.org/simple has no code for its compute capability 7.0 (7.5 to 12.0); …`
    """
    index = index.rstrip("/")
    if index.endswith("/cpu"):
        return f"{accelerator}: torch from {index} runs on CPUs alone; take it from {CUDA_INDEX}"
    capability, code = CAPABILITIES.get(accelerator), CODE_FOR.get(index)
    if capability is None or code is None or code[0] <= capability <= code[1]:
        return None
    others = [build for build, (oldest, newest) in CODE_FOR.items() if oldest <= capability <= newest]
    advice = f"take torch from {others[0]}, or choose another accelerator" if others else "choose another accelerator"
    return (
        f"{accelerator}: torch from {index} has no code for its compute capability {_shown(capability)} "
        f"({_shown(code[0])} to {_shown(code[1])}); {advice}"
    )


def _shown(capability: Capability) -> str:
    return ".".join(map(str, capability))
