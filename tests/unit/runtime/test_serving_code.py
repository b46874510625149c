"""Which edits renew running servers: asked of a copy of the library that is edited."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from evergreen.runtime.fingerprints import NOT_SERVED, SERVABLE, SERVER, TASKS, Code, serving_code
from evergreen.tasks.kinds import TASKS as KINDS
from tests.own_zenml import ROOT

EDITED = "\nEDITED = 1\n"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    shutil.copytree(ROOT / "evergreen", folder / "evergreen", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def appended(name: str, text: str = EDITED) -> Callable[[Path], None]:
    def append(folder: Path) -> None:
        path = folder / "evergreen" / name
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")

    return append


@pytest.mark.parametrize(
    ("edit", "renews"),
    [
        (appended("serving/app.py", "\n# a comment\n"), False),
        (appended("tasks/text_classification/trainable.py"), False),
        (appended("tasks/image_segmentation/schema_import.py"), False),
        (appended("tasks/text_classification/token_tables.py"), False),
        (appended("evaluation/resampling.py"), False),
        (appended("evaluation/specs.py"), False),
        (appended("core/decision.py"), False),
        (appended("core/metric.py"), False),
        (appended("core/report.py"), False),
        (appended("core/versions.py"), False),
        (appended("adapters/local_endpoint/front.py"), False),
        (appended("serving/app.py"), True),
        (appended("tasks/text_classification/servable.py"), True),
        (appended("tasks/text_classification/tokens.py"), True),
        (appended("tasks/image_segmentation/logits.py"), True),
        (appended("adapters/gcs/clients.py"), True),
        (appended("core/errors.py"), True),
        (appended("serving/app.py", "\ndef slip(:\n"), True),
    ],
)
def test_servers_are_renewed_by_what_they_run_and_nothing_else(
    edit: Callable[[Path], None], renews: bool, library: Path
) -> None:
    before = serving_code([str(library)])
    edit(library)
    assert (serving_code([str(library)]) != before) is renews


def test_a_copy_of_the_library_serves_by_the_same_code(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "evergreen", tmp_path / "evergreen", ignore=shutil.ignore_patterns("__pycache__"))
    assert serving_code([str(tmp_path)]) == serving_code()


def test_each_shipped_task_is_served_by_the_module_that_is_looked_for() -> None:
    code = Code(NOT_SERVED)
    modules = code.modules(SERVER, *code.in_packages(TASKS, SERVABLE))
    settings = [KINDS.member(kind) for kind in ("text_classification", "image_segmentation")]
    assert {vars(member)["servable"].partition(":")[0] for member in settings} <= {*modules}
    assert {member.__module__ for member in settings} <= {*modules}
