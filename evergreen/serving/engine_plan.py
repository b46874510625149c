"""Which engines may answer for a model here, the best first, and with which one it starts.

plan_of(served, Here("avx2"))  →  EnginePlan(("int8-u8s8", "fp32", "torch"), starts_at=1, "… compared with fp32 first")

What int8 answers depends on the processor: where its instructions are others than those that it was judged on, fp32
answers until the two were compared. EVERGREEN_ENGINE names an engine, or `onnx` for any graph.
"""

from __future__ import annotations

from dataclasses import dataclass

from evergreen.core.engines import FP32, TORCH, ServedEngines

ONNX = "onnx"
COMPARED_FIRST = "the two are compared first"
"""How the reason ends while a better engine may yet take over."""


@dataclass(frozen=True)
class Here:
    """This machine: its processor's instructions, whether torch computes on a GPU of it, and what was asked for."""

    instruction_set: str
    has_gpu: bool = False
    asked: str | None = None


@dataclass(frozen=True)
class EnginePlan:
    """Engines by name, the best first; `starts_at` is the place of the first one to answer, others wait behind it.

    Where that is not the first place, what stands before it is compared with it while it answers.
    """

    names: tuple[str, ...]
    starts_at: int
    reason: str


def plan_of(served: ServedEngines | None, here: Here) -> EnginePlan:
    """The plan; torch alone where there are no engines."""
    if served is None:
        asked = f", though {here.asked} was asked for" if here.asked not in (None, TORCH) else ""
        return EnginePlan((TORCH,), 0, f"no graph of this model may serve{asked}")
    choice = served.choice
    if here.asked not in (None, ONNX):
        return EnginePlan(_ladder(str(here.asked)), 0, "it was asked for")
    if here.asked is None and here.has_gpu:
        return EnginePlan(_ladder(TORCH), 0, "there is a GPU")
    if choice.serves == TORCH:
        first = FP32 if here.asked == ONNX else TORCH
        return EnginePlan(_ladder(first), 0, choice.reason)
    names = _ladder(choice.serves)
    if choice.serves == FP32 or here.instruction_set == choice.instruction_set:
        return EnginePlan(names, 0, choice.reason)
    judged = f"{choice.serves} was judged on {choice.instruction_set}, this is {here.instruction_set}"
    return EnginePlan(names, 1, f"{judged}: {COMPARED_FIRST}")


def _ladder(first: str) -> tuple[str, ...]:
    """An engine, and what answers where it fails; graphs stand in for torch where that is not installed."""
    return tuple(dict.fromkeys((first, FP32, TORCH)))
