"""docs/architecture.md and its picture show the imports, files and names that are there."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "architecture.svg"
SVG = "{http://www.w3.org/2000/svg}"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
LIBRARY = "evergreen"
MOST_FILES = {"row": 45, "picture": 26, "version": 10}  # a way that needs more has to be cut, not to be listed
WAYS = sorted(MOST_FILES)

Arrow = tuple[str, str]


class Box(NamedTuple):
    """A rectangle of the picture, in its units."""

    left: float
    top: float
    right: float
    bottom: float

    def has_on_its_edge(self, x: float, y: float) -> bool:
        across = self.left <= x <= self.right and y in (self.top, self.bottom)
        return across or (self.top <= y <= self.bottom and x in (self.left, self.right))

    def is_crossed(self, start: tuple[float, float], end: tuple[float, float]) -> bool:
        """Whether a horizontal or vertical line runs through it, not only along its edge or up to it."""
        (x, y), (to_x, to_y) = start, end
        return (
            min(x, to_x) < self.right
            and max(x, to_x) > self.left
            and min(y, to_y) < self.bottom
            and max(y, to_y) > self.top
        )


@cache
def named() -> frozenset[Arrow]:
    """The modules of settings and of their behaviour, with the module that names each as `module:Class`."""
    modules = grimp.build_graph(*CONTRACTS["root_packages"], cache_dir=None).modules
    texts = {module: file_of(module).read_text(encoding="utf-8") for module in modules}
    places = (
        (module, place) for module in modules for place in re.findall(r"\"(evergreen[.\w]+):\w+\"", texts[module])
    )
    return frozenset((module, place) for module, place in places if place in modules)


@cache
def imports() -> grimp.ImportGraph:
    """Every import of the project, lazy ones included, and what is only named."""
    graph = grimp.build_graph(*CONTRACTS["root_packages"], cache_dir=None)
    for module, place in named():
        graph.add_import(importer=module, imported=place, line_number=1, line_contents=place)
    return graph


@cache
def arrows() -> frozenset[Arrow]:
    """Which layer imports which, without what is only named."""
    graph = grimp.build_graph(*CONTRACTS["root_packages"], cache_dir=None)
    pairs = (
        (importer, other) for importer in graph.modules for other in graph.find_modules_directly_imported_by(importer)
    )
    return frozenset(arrow for importer, other in pairs if (arrow := between(importer, other)))


def between(importer: str, imported: str) -> Arrow | None:
    """The arrow of an import: between parts of the library, or else between top-level packages."""
    source, other = (".".join(name.split(".")[:2]) for name in (importer, imported))
    if not (source.startswith(f"{LIBRARY}.") and other.startswith(f"{LIBRARY}.")):
        source, other = source.split(".")[0], other.split(".")[0]
    return (source, other) if source != other else None


def file_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def module_of(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def table(heading: str) -> list[list[str]]:
    """The rows of the table below a heading of the page, cell by cell."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def way(name: str) -> list[list[str]]:
    """The files of each line."""
    return [quoted(files) for _, files in table(f"The way of a {name}")]


@cache
def drawn() -> tuple[dict[str, Box], dict[Arrow, list[tuple[float, float]]]]:
    """The picture's boxes by layer, and the points of its arrows."""
    root = ElementTree.parse(PICTURE).getroot()  # noqa: S314 (a file of our own)
    boxes, lines = {}, {}
    for group in root.iter(f"{SVG}g"):
        rectangle = group.find(f"{SVG}rect")
        assert rectangle is not None
        left, top, width, height = (float(rectangle.attrib[key]) for key in ("x", "y", "width", "height"))
        boxes[group.attrib["data-layer"]] = Box(left, top, left + width, top + height)
    for line in root.iter(f"{SVG}polyline"):
        points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        lines[line.attrib["data-from"], line.attrib["data-to"]] = [(x, y) for x, y in points]
    return boxes, lines


def layers(names: set[str]) -> list[set[str]]:
    """What import-linter's layers have of these names, from top to bottom."""
    contracts = [contract["layers"] for contract in CONTRACTS["contracts"] if contract["type"] == "layers"]
    layers = [set(layer.split(" | ")) for contract in contracts for layer in contract]
    return [layer & names for layer in layers if layer & names]


def test_the_picture_has_an_arrow_for_every_import_and_none_beside() -> None:
    assert set(drawn()[1]) == arrows()


def test_the_table_lists_the_arrows_of_the_picture() -> None:
    listed = [
        (name, other) for layer, _, others in table("Layers") for name in quoted(layer) for other in quoted(others)
    ]
    assert Counter(listed) == Counter(drawn()[1].keys())
    assert {name for layer, _, _ in table("Layers") for name in quoted(layer)} == set(drawn()[0])


def test_the_rows_of_the_picture_are_the_layers_that_import_linter_holds() -> None:
    boxes, _ = drawn()
    held = {name for layer in layers(set(boxes)) for name in layer}
    rows: dict[float, set[str]] = {}
    for name in sorted(held, key=lambda module: boxes[module].top):
        rows.setdefault(boxes[name].top, set()).add(name)
    assert list(rows.values()) == layers(held)
    assert set(boxes) - held == {"bench", "cloudbox"}  # which nobody imports, as other contracts hold


def test_every_package_is_a_layer_of_the_picture() -> None:
    packages = {module for module in imports().modules if imports().find_children(module)}
    tops = {package for package in packages if "." not in package}
    assert tops | {package for package in packages if re.fullmatch(rf"{LIBRARY}\.\w+", package)} == set(drawn()[0])


def test_an_arrow_leads_from_box_to_box_down_and_past_all_others() -> None:
    boxes, lines = drawn()
    for (start, end), points in lines.items():
        assert boxes[start].has_on_its_edge(*points[0]), (start, end)
        assert boxes[end].has_on_its_edge(*points[-1]), (start, end)
        assert points[0][1] < points[-1][1], (start, end)
        inside = start.startswith(f"{LIBRARY}.")
        others = [name for name in boxes if not (inside and name == LIBRARY)]
        crossed = [name for start, other in pairwise(points) for name in others if boxes[name].is_crossed(start, other)]
        assert crossed == [], (start, end)


@pytest.mark.parametrize("name", WAYS)
def test_a_way_is_short_and_no_file_comes_twice(name: str) -> None:
    files = [file for line in way(name) for file in line]
    assert [file for file, count in Counter(files).items() if count > 1] == []
    assert len(way(name)) < len(files) <= MOST_FILES[name]
    assert [file for file in files if not (ROOT / file).is_file()] == []


@pytest.mark.parametrize("name", WAYS)
def test_each_line_of_a_way_goes_down_the_layers_to_files_that_its_first_one_uses(name: str) -> None:
    before: list[str] = []
    behaviour = {place for _, place in named()}
    for files in way(name):
        modules = [module_of(file) for file in files if file != "run.py"]
        for module in modules:
            importers = imports().find_modules_that_directly_import(module)
            assert module == modules[0] or module in behaviour or importers & set(before), module
            before.append(module)
        used = imports().find_upstream_modules(modules[0])
        assert [module for module in modules[1:] if module not in used] == []
        depths = [depth_of(module) for module in modules]
        assert depths == sorted(depths), files


def depth_of(module: str) -> int:
    rows = layers(set(drawn()[0]) - {LIBRARY})
    return next(
        depth for depth, row in enumerate(rows) if any(f"{module}.".startswith(f"{package}.") for package in row)
    )


def test_every_file_that_the_page_names_exists() -> None:
    paths = re.findall(r"`((?:\w+/)+\w+\.\w+)[`:]", PAGE.read_text(encoding="utf-8"))
    assert len(paths) > len(way("row"))
    assert [file for file in paths if not (ROOT / file).is_file()] == []


def test_a_word_is_explained_once_and_by_a_name_of_the_code() -> None:
    words = [word for word, _, _ in table("Words")]
    assert [word for word, count in Counter(words).items() if count > 1] == []
    assert len(words) >= 30
    for word, meaning, place in table("Words"):
        file, _, name = place.strip("`").partition(":")
        assert meaning, word
        assert name in set(names_in(ROOT / file)), f"{word}: {file} defines no {name}"
        text = (ROOT / file).read_text(encoding="utf-8").lower()
        assert word in text, f"{word}: {file} does not say it"


def names_in(file: Path) -> Iterator[str]:
    """What a file defines: classes, functions, and variables of modules and classes."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
