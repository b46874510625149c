"""Which steps an edit reruns, by task: asked of a copy of the sources that is edited."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.shapes.settings import ShapesSettings
from evergreen.core.errors import InputError
from evergreen.core.kinds import Kinds
from evergreen.core.members import TaskSettings
from evergreen.runtime.fingerprints import Code
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from evergreen.tasks.text_classification.settings import TextClassification
from orchestration import fingerprint
from orchestration.fingerprint import ENDS, VERBS, code_fingerprints, recipe_fingerprint, roots_of
from tests.own_zenml import ROOT

TEXTS = (FilesSettings(path="news.csv"), TextClassification(encoder="a/b", labels=("x", "y")))
PICTURES = (ShapesSettings(), ImageSegmentation(labels=("x", "y")))
SPLIT = "evergreen/data/split.py"
QUERY = "evergreen/data/shares.sql"
LETTERS = {
    "letters/__init__.py": "",
    "letters/settings.py": """
from typing import ClassVar, Literal
from evergreen.core.errors import InputError
from evergreen.core.kinds import Kinds
from evergreen.core.members import TaskSettings

class Letters(TaskSettings):
    examinable: ClassVar[str] = "letters.settings:Letters"
    trainable: ClassVar[str] = "letters.training:Trained"
    measurable: ClassVar[str] = "letters.settings:Letters"
    servable: ClassVar[str] = "letters.settings:Letters"
    kind: Literal["letters"] = "letters"
""",
    "letters/training.py": "from evergreen.tasks.trainer import fit\n\nrate = 1\n",
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, one module of which reads a query from a file."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("evergreen", "orchestration", "steps"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / QUERY).write_text("SELECT 1\n")
    append(folder / SPLIT, f"\nSHARES = Path(__file__).with_name('{Path(QUERY).name}')\n")
    return folder


@pytest.fixture(autouse=True)
def packages(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Installed packages are looked for anew, as another process does; the kinds of other tests stay as they are."""

    def look_anew() -> None:
        monkeypatch.setattr(fingerprint, "SOURCES", Kinds("evergreen.sources", {}))
        monkeypatch.setattr(fingerprint, "TASKS", Kinds("evergreen.tasks", {}))

    look_anew()
    return look_anew


@pytest.fixture
def letters(sources: Path, monkeypatch: pytest.MonkeyPatch) -> TaskSettings:
    """The settings of a task that an installed package offers."""
    for name, text in LETTERS.items():
        (sources / name).parent.mkdir(exist_ok=True)
        (sources / name).write_text(text)
    install(sources, "letters", "1.0", "[evergreen.tasks]\nletters = letters.settings:Letters\n")
    monkeypatch.syspath_prepend(str(sources))
    settings: TaskSettings = import_module("letters.settings").Letters()
    return settings


def install(folder: Path, name: str, version: str, entry_points: str = "") -> None:
    """What an installer notes of a package, instead of what it noted before."""
    for old in folder.glob(f"{name}-*.dist-info"):
        shutil.rmtree(old)
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entry_points)


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def edit(name: str, text: str = "\nEDITED = 1\n") -> Callable[[Path], None]:
    return lambda folder: append(folder / name, text)


def trainable(task: TaskSettings) -> str:
    return f"{roots_of('train', task)[-1].replace('.', '/')}.py"


def other_docstring(folder: Path) -> None:
    path = folder / trainable(TEXTS[1])
    text = path.read_text(encoding="utf-8")
    path.write_text('"""Other words of it."""\n' + text.partition('"""\n')[2], encoding="utf-8")


EDITS: dict[str, tuple[Callable[[Path], None], set[str], set[str]]] = {
    "comment": (edit(trainable(TEXTS[1]), "\n# edited\n"), set(), set()),
    "docstring": (other_docstring, set(), set()),
    "stylesheet": (edit("evergreen/pages/templates/style.css", "b {}"), set(), set()),
    "server": (edit("evergreen/serving/app.py"), set(), set()),
    "gate": (edit("evergreen/core/gate.py"), set(), set()),
    "bootstrap": (edit("evergreen/evaluation/resampling.py"), {"evaluate"}, {"evaluate"}),
    "rows of slices": (edit("evergreen/evaluation/slices.py"), {"evaluate"}, {"evaluate"}),
    "report": (edit("evergreen/core/report.py"), {"evaluate"}, {"evaluate"}),
    "measure of classes": (edit("evergreen/evaluation/classification.py"), {"evaluate"}, set()),
    "measure of pixels": (edit("evergreen/evaluation/segmentation.py"), set(), {"evaluate"}),
    "score of classes, which learning curves show": (
        edit("evergreen/evaluation/class_scores.py"),
        {"train", "evaluate"},
        set(),
    ),
    "score of pixels, which learning curves show": (
        edit("evergreen/evaluation/pixel_scores.py"),
        set(),
        {"train", "evaluate"},
    ),
    "text loss": (edit(trainable(TEXTS[1])), {"train"}, set()),
    "picture loss": (edit(trainable(PICTURES[1])), set(), {"train"}),
    "picture server": (edit("evergreen/tasks/image_segmentation/servable.py"), set(), {"evaluate"}),
    "text server": (edit("evergreen/tasks/text_classification/servable.py"), {"evaluate"}, set()),
    "reader of schemas": (edit("evergreen/tasks/image_segmentation/schema_import.py"), set(), set()),
    "what is held out": (edit("evergreen/data/held_out.py"), {"split"}, {"split"}),
    "what is new": (edit("evergreen/data/freshness.py"), {"fetch"}, {"fetch"}),
    "new and replayed rows apart": (edit("evergreen/evaluation/forgetting.py"), {"evaluate"}, {"evaluate"}),
    "SQL file": (edit(QUERY), {"split"}, {"split"}),
    "numeric package": (lambda folder: install(folder, "torch", "99.0"), {"train", "evaluate"}, {"train", "evaluate"}),
    "plug-in": (lambda folder: install(folder, "letters", "2.0"), set(), set()),
    "reader of files": (edit("evergreen/adapters/files/jsonl.py"), {"fetch"}, set()),
    "time limit of a training": (edit("orchestration/time_limit.py"), set(), set()),
    "lock": (edit("evergreen/runtime/locks.py"), set(), set()),
    "why a run trains": (edit("evergreen/core/when.py"), set(), set()),
    "what may be left out": (edit("evergreen/runtime/asides.py"), set(), set()),
    "a step": (edit("steps/validate.py"), {"validate"}, {"validate"}),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_reruns_the_steps_that_it_changes_and_no_others(
    name: str, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do, *expected = EDITS[name]
    monkeypatch.syspath_prepend(str(sources))
    before = [code_fingerprints(source, task, [str(sources)]) for source, task in (TEXTS, PICTURES)]
    do(sources)
    after = [code_fingerprints(source, task, [str(sources)]) for source, task in (TEXTS, PICTURES)]
    assert [changed(*pair) for pair in zip(before, after, strict=True)] == expected


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {step for step, code in before.items() if after[step] != code}


def test_another_version_of_a_plug_in_and_an_edit_of_it_rerun_what_asks_it(
    sources: Path, letters: TaskSettings, packages: Callable[[], None]
) -> None:
    before = code_fingerprints(TEXTS[0], letters, [str(sources)])
    append(sources / "letters/training.py", "\nrate = 2\n")
    edited = code_fingerprints(TEXTS[0], letters, [str(sources)])
    assert changed(before, edited) == {"train"}
    install(sources, "letters", "2.0", "[evergreen.tasks]\nletters = letters.settings:Letters\n")
    packages()
    assert changed(edited, code_fingerprints(TEXTS[0], letters, [str(sources)])) == {"validate", "train", "evaluate"}


def test_the_version_of_a_compiled_plug_in_stands_for_its_sources(
    sources: Path, letters: TaskSettings, packages: Callable[[], None]
) -> None:
    (sources / "letters/training.py").rename(sources / "letters/training.so")
    before = code_fingerprints(TEXTS[0], letters, [str(sources)])
    install(sources, "letters", "3.0", "[evergreen.tasks]\nletters = letters.settings:Letters\n")
    packages()
    assert changed(before, code_fingerprints(TEXTS[0], letters, [str(sources)])) == {"validate", "train", "evaluate"}
    install(sources, "letters", "3.0")
    packages()
    with pytest.raises(InputError, match=r"kind 'letters' has no source of letters\.training"):
        code_fingerprints(TEXTS[0], letters, [str(sources)])


@pytest.mark.parametrize("end", ENDS)
def test_a_walk_would_reach_each_module_that_it_ends_before(end: str) -> None:
    others = [another for another in ENDS if another != end]
    settings = [(step, source if step == "fetch" else task) for source, task in (TEXTS, PICTURES) for step in VERBS]
    roots = {root for step, settings_class in settings for root in roots_of(step, settings_class)}
    assert end.removesuffix(".*") in Code(others).modules(*roots)


def test_a_checkout_and_a_copy_of_it_have_the_same_fingerprints(tmp_path: Path) -> None:
    for name in ("evergreen", "orchestration", "steps"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    assert code_fingerprints(*TEXTS, [str(tmp_path)]) == code_fingerprints(*TEXTS)


def test_a_recipe_knows_the_code_that_leads_to_the_model_and_not_the_one_that_measures_it() -> None:
    codes = dict.fromkeys(("fetch", "validate", "split", "train", "evaluate"), "1")
    recipe = recipe_fingerprint(codes, rows="r")
    assert recipe_fingerprint({**codes, "evaluate": "2"}, rows="r") == recipe
    assert recipe_fingerprint(codes, rows="s") != recipe
    for step in ("fetch", "validate", "split", "train"):
        assert recipe_fingerprint({**codes, step: "2"}, rows="r") != recipe


@pytest.mark.parametrize(
    "edited", ["evergreen/engines/quantize.py", "evergreen/core/engines.py", "evergreen/tasks/engines.py"]
)
def test_an_edit_of_how_graphs_are_made_trains_nothing(sources: Path, edited: str) -> None:
    before = code_fingerprints(*TEXTS, [str(sources)])
    append(sources / edited, "\nEDITED = 1\n")
    after = code_fingerprints(*TEXTS, [str(sources)])
    assert after["train"] == before["train"]


def test_an_edit_of_the_choice_of_an_engine_evaluates_again(sources: Path) -> None:
    before = code_fingerprints(*TEXTS, [str(sources)])
    append(sources / "evergreen/evaluation/engines.py", "\nEDITED = 1\n")
    after = code_fingerprints(*TEXTS, [str(sources)])
    assert {step for step in after if after[step] != before[step]} == {"evaluate"}
