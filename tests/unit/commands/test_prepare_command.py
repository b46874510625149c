from __future__ import annotations

from argparse import Namespace
from types import SimpleNamespace

import pytest

from commands import prepare
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.preparation import LocalRunnerSettings, Preparation

LOCAL = Preparation(origin=FilesSettings(path="raw/*.tfrec", format="tfrecord"), runner=LocalRunnerSettings(workers=1))


def test_the_number_of_processes_is_taken_from_the_command_up_to_what_one_machine_may_have() -> None:
    assert prepare.chosen(LOCAL, None, 4).runner == LocalRunnerSettings(workers=4)
    with pytest.raises(InputError, match=r"--workers is 1,000 \(allowed: 1 to 256\)"):
        prepare.chosen(LOCAL, None, 1000)


def test_dataflow_is_not_chosen_without_its_settings() -> None:
    with pytest.raises(InputError, match=r"--runner dataflow needs its project"):
        prepare.chosen(LOCAL, "dataflow", None)


def test_an_installation_for_runs_alone_is_told_how_to_get_beam(monkeypatch: pytest.MonkeyPatch) -> None:
    project = SimpleNamespace(configuration=SimpleNamespace(prepare=LOCAL))
    monkeypatch.setattr("commands.project.open_project", lambda _: project)
    monkeypatch.setattr(prepare, "find_spec", lambda _: None)
    asked = Namespace(config="pets.yaml", origin=None, runner=None, workers=None, dry_run=False)
    with pytest.raises(InputError, match=r"needs Apache Beam.*make install-dev"):
        prepare.main(asked)
