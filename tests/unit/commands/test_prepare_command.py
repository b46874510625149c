from __future__ import annotations

from pathlib import Path

import pytest

from commands import prepare
from evergreen.adapters.files.find import Listing
from evergreen.adapters.files.prepared import PreparedSet
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.files.source import FilesPart
from evergreen.core.errors import InputError
from evergreen.core.preparation import Raw
from evergreen.preparation import LocalRunnerSettings, Preparation
from evergreen.preparation.plan import Part
from evergreen.preparation.run import Work, check_beam

LOCAL = Preparation(origin=FilesSettings(path="raw/*.tfrec", format="tfrecord"), runner=LocalRunnerSettings(workers=1))


def test_the_number_of_processes_is_taken_from_the_command_up_to_what_one_machine_may_have() -> None:
    assert prepare.chosen(LOCAL, None, 4).runner == LocalRunnerSettings(workers=4)
    with pytest.raises(InputError, match=r"--workers is 1,000 \(allowed: 1 to 256\)"):
        prepare.chosen(LOCAL, None, 1000)


def test_dataflow_is_not_chosen_without_its_settings() -> None:
    with pytest.raises(InputError, match=r"--runner dataflow needs its project"):
        prepare.chosen(LOCAL, "dataflow", None)


def test_an_installation_for_runs_alone_is_told_how_to_get_beam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evergreen.preparation.run.find_spec", lambda _: None)
    part = Part(0, "", FilesPart(FilesSettings(path="raw"), Listing(root=Path("raw"), files=(), format="csv")))
    with pytest.raises(InputError, match=r"1 of 1 parts to be prepared, which needs Apache Beam.*make install-dev"):
        check_beam(Work(Raw("raw", (), ()), (part,), (part,), {}, PreparedSet()))
