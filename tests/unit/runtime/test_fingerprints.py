"""What a fingerprint of code knows, on small packages written for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from evergreen.runtime.fingerprints import Code

FILES = {
    "wood/__init__.py": "",
    "wood/oak.py": "from wood.leaf import green\n\ndef grow():\n    from . import rind\n    return green, rind\n",
    "wood/leaf.py": '"""Leaves."""\nimport json\n\ngreen = 1\n',
    "wood/rind/__init__.py": "from ..soil import deep\n",
    "wood/soil.py": "from pathlib import Path\nquery = Path(__file__).parent / 'asked.sql'\ndeep = 2\n",
    "wood/asked.sql": "SELECT 1\n",
    "wood/asked_by_none.sql": "SELECT 2\n",
    "wood/moss.py": "import wood.leaf\n",
}


@pytest.fixture
def wood(tmp_path: Path) -> Path:
    return written(tmp_path / "site")


def written(folder: Path) -> Path:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def fingerprint(folder: Path, ends: tuple[str, ...] = ()) -> str:
    return Code(ends, [str(folder)]).fingerprint("wood.oak")


def test_a_walk_follows_imports_inside_functions_relative_ones_and_the_packages_above(wood: Path) -> None:
    assert Code(path=[str(wood)]).modules("wood.oak") == ["wood", "wood.leaf", "wood.oak", "wood.rind", "wood.soil"]
    assert Code(("wood.rind.*",), [str(wood)]).modules("wood.oak") == ["wood", "wood.leaf", "wood.oak"]


@pytest.mark.parametrize(
    ("name", "text", "same"),
    [
        ("wood/leaf.py", '"""Other words."""\nimport json  # noted\n\n\ngreen = (1)\n"""A text of its own."""\n', True),
        ("wood/leaf.py", FILES["wood/leaf.py"] + "from typing import TYPE_CHECKING\n", False),
        ("wood/leaf.py", '"""Leaves."""\nimport json\n\ngreen = 2\n', False),
        ("wood/soil.py", FILES["wood/soil.py"].replace("2", "3"), False),
        ("wood/rind/__init__.py", "from ..soil import deep as low\n", False),
        ("wood/__init__.py", "age = 100\n", False),
        ("wood/moss.py", "import json\n", True),
        ("wood/asked.sql", "SELECT 3\n", False),
        ("wood/asked_by_none.sql", "SELECT 3\n", True),
    ],
)
def test_a_fingerprint_changes_with_what_the_code_does_and_with_nothing_else(
    wood: Path, name: str, text: str, same: bool
) -> None:
    before = fingerprint(wood)
    (wood / name).write_text(text)
    assert (fingerprint(wood) == before) is same


def test_what_only_type_checkers_read_does_not_count(wood: Path) -> None:
    checked = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}\nelse:\n    {}\n"
    (wood / "wood/leaf.py").write_text(checked.format("import wood.moss", "green = 1"))
    before = fingerprint(wood)
    assert "wood.moss" not in Code(path=[str(wood)]).modules("wood.oak")
    (wood / "wood/leaf.py").write_text(checked.format("import wood.bark", "green = 1"))
    assert fingerprint(wood) == before
    (wood / "wood/leaf.py").write_text(checked.format("import wood.bark", "green = 2"))
    assert fingerprint(wood) != before


def test_a_folder_of_data_that_a_module_names_counts_with_all_that_is_in_it(wood: Path) -> None:
    (wood / "wood/pages/deep").mkdir(parents=True)
    (wood / "wood/pages/deep/a.html").write_text("a")
    (wood / "wood/leaf.py").write_text("from pathlib import Path\npages = Path(__file__).parent / 'pages'\ngreen = 1\n")
    before = fingerprint(wood)
    (wood / "wood/pages/deep/a.html").write_text("b")
    assert fingerprint(wood) != before


def test_equal_sources_have_equal_fingerprints_wherever_they_lie(wood: Path, tmp_path: Path) -> None:
    assert fingerprint(written(tmp_path / "elsewhere")) == fingerprint(wood)


def test_a_root_without_source_is_an_error(wood: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"no source of wood\.elm"):
        Code(path=[str(wood)]).fingerprint("wood.oak", "wood.elm")


def test_another_version_of_python_is_another_fingerprint(wood: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(wood)
    monkeypatch.setattr("evergreen.runtime.fingerprints.version_info", (3, 99, 0))
    assert fingerprint(wood) != before


def test_modules_of_a_namespace_package_are_read_from_each_of_its_folders(tmp_path: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    for file, text in (
        (near / "wood/oak.py", "from wood.wet import moss\n"),
        (far / "wood/wet/moss.py", "green = 1\n"),
    ):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    path = [str(near), str(far)]
    assert Code(path=path).modules("wood.oak") == ["wood.oak", "wood.wet.moss"]
    before = Code(path=path).fingerprint("wood.oak")
    (far / "wood/wet/moss.py").write_text("green = 2\n")
    assert Code(path=path).fingerprint("wood.oak") != before


def test_a_compiled_module_has_no_source(wood: Path) -> None:
    (wood / "wood/elm.so").write_bytes(b"\x7fELF")
    code = Code(path=[str(wood)])
    assert (code.has_source("wood.oak"), code.has_source("wood.elm")) == (True, False)
