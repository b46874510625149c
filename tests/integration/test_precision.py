"""What `precision: auto` remembers, and of which device."""

from __future__ import annotations

from pathlib import Path

import pytest

from evergreen.tasks import machine as training_machine
from evergreen.tasks.settings import Precision

CPUINFO = """processor : 0
model name : {model}
cpu MHz : {mhz}
flags : fpu {flags}

processor : 1
model name : {model}
"""


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The answers that the next measurements give, last one first."""
    answers: list[bool] = []
    monkeypatch.setattr(training_machine, "bf16_pays", answers.pop)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    return answers


def computes_on(machine: Path, folder: Path, **facts: str) -> bool:
    machine.write_text(CPUINFO.format(**({"model": "A", "mhz": "2000", "flags": "amx_bf16"} | facts)))
    return training_machine.computes_in_bf16("auto", folder / "checkpoints" / "0f3a")


def test_an_answer_is_kept_for_the_kind_of_device_that_it_was_measured_on(
    tmp_path: Path, measured: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = tmp_path / "cpuinfo"
    (tmp_path / "checkpoints").mkdir()
    monkeypatch.setattr(training_machine, "_CPU_FACTS", machine)
    measured += [True, False, False, True]
    assert computes_on(machine, tmp_path)
    assert computes_on(machine, tmp_path, mhz="1200")
    assert not computes_on(machine, tmp_path, model="B")
    assert not computes_on(machine, tmp_path, flags="avx512f")
    assert computes_on(machine, tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "NVIDIA L4")
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (8, 9))
    assert computes_on(machine, tmp_path)
    assert not measured
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert [name.rpartition("-")[0] for name in names] == ["precision-cpu"] * 3 + ["precision-cuda"]


def test_a_machine_that_tells_nothing_of_its_cpu_is_measured_too(
    tmp_path: Path, measured: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_machine, "_CPU_FACTS", tmp_path / "none")
    measured.append(True)
    assert training_machine.computes_in_bf16("auto", tmp_path / "checkpoint")
    assert training_machine.computes_in_bf16("auto", tmp_path / "checkpoint")


@pytest.mark.parametrize(("chosen", "bf16"), [("bf16", True), ("fp32", False)])
def test_a_precision_that_is_told_is_not_measured(
    tmp_path: Path, measured: list[bool], chosen: Precision, bf16: bool
) -> None:
    assert training_machine.computes_in_bf16(chosen, tmp_path / "checkpoint") is bf16
    assert list(tmp_path.iterdir()) == []
