"""Sources are an open union: a configuration's fields import nothing heavy, and an installed package may offer one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from evergreen.adapters.kinds import SOURCES
from evergreen.core.errors import InputError
from evergreen.core.kinds import Kinds
from evergreen.core.members import source_of
from orchestration.document import read
from orchestration.schema import check

SHIPPED = {kind: f"evergreen.adapters.{kind}.settings:{name}Settings" for kind, name in (("files", "Files"),)}
MODULE = """
from pathlib import Path
from typing import ClassVar, Literal

from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity
from evergreen.core.members import ReadSource, SourceSettings

class LettersSettings(SourceSettings):
    source: ClassVar[str] = "letter_rows:LettersSource"
    kind: Literal["letters"] = "letters"
    count: int = 26

class LettersSource(ReadSource[LettersSettings]):
    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        return SourceIdentity(kind="letters", fingerprint=str(self.settings.count), description="letters")

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        raise NotImplementedError
"""


@pytest.fixture
def kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kinds:
    """The union where a package is installed that offers `letters` and, of a module that is not there, `lost`."""
    (tmp_path / "letter_rows.py").write_text(MODULE, encoding="utf-8")
    info = tmp_path / "letter_rows-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: letter-rows\nVersion: 1.0\n", encoding="utf-8")
    points = "letters = letter_rows:LettersSettings\nlost = lost_rows:LostSettings\n"
    (info / "entry_points.txt").write_text(f"[{SOURCES.group}]\n{points}", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "letter_rows", raising=False)
    return Kinds(SOURCES.group, SHIPPED)


def test_a_source_of_an_installed_package_is_one_of_the_union_and_lacks_nothing_that_callers_ask(kinds: Kinds) -> None:
    settings = TypeAdapter(kinds.union).validate_python({"kind": "letters", "count": 3})
    source = source_of(settings)
    assert source.identity(None).fingerprint == "3"
    assert source.bigquery() is None
    for refused in (lambda: source.destination(windowed=False), source.prepared_folder):
        with pytest.raises(InputError, match=r"kind letters is read, never written|kind: files with a folder"):
            refused()
    with pytest.raises(InputError, match="a source of kind letters has no columns to map"):
        settings.with_columns({"text": "body"}, None)


def test_a_kind_whose_package_cannot_be_loaded_is_told_with_the_package(kinds: Kinds, tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text("source: {kind: lost}\n", encoding="utf-8")
    _, (mistake,) = check(kinds.union, read(path), ("source",))
    assert mistake.path == ("source", "kind")
    assert mistake.message.startswith("kind 'lost' of letter-rows==1.0 cannot be loaded from 'lost_rows:")
    assert "ModuleNotFoundError: No module named 'lost_rows'; correct" in mistake.message


def test_reading_settings_imports_no_rows_and_no_clients() -> None:
    heavy = ("pyarrow", "duckdb", "numpy", "google.api_core", "datasets", "huggingface_hub", "fsspec", "torch")
    code = (
        "import sys; from pydantic import TypeAdapter; from evergreen.adapters.kinds import AnySource\n"
        "TypeAdapter(AnySource).validate_python({'kind': 'files', 'path': 'gs://news/*.csv'})\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
