"""Fingerprints of code: what a module does, with all that it imports, however it is formatted, wherever it lies.

Code(ends=("evergreen.pages.*",)).fingerprint("steps.train", "evergreen.tasks.text_classification.train")

Sources are parsed and never imported. Of a module count its syntax tree without docstrings and comments, the data files
beside it that it names, the modules that it imports, inside of functions too, and the versions of Python and of those
packages that numbers depend on. Modules go by dotted name, so that a wheel and a checkout have one fingerprint.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from sys import version_info
from typing import TypeGuard

OURS = ("evergreen", "steps", "orchestration")
"""The packages whose sources count, beside those that the roots are in."""
NUMERIC = {
    "PIL": ("pillow",),
    "accelerate": ("accelerate",),
    "datasets": ("datasets",),
    "duckdb": ("duckdb",),
    "evaluate": ("evaluate",),
    "numpy": ("numpy",),
    "onnx": ("onnx",),
    "onnxruntime": ("onnxruntime",),
    "pyarrow": ("pyarrow",),
    "scipy": ("scipy",),
    "sklearn": ("scikit-learn",),
    "tokenizers": ("tokenizers",),
    "torch": ("torch",),
    "transformers": ("transformers", "tokenizers", "accelerate"),
}
"""Top-level module: the distributions that its numbers depend on. What others do, our own code decides."""
SERVER = "evergreen.serving.__main__"
TASKS, SERVABLE = "evergreen.tasks", "servable"
"""Where tasks are shipped, and the module of each that a server process imports once it knows its model."""
NOT_SERVED = ("evergreen.core.protocols", "evergreen.core.metric", "evergreen.evaluation.*")
"""What a server imports and does nothing by: types of what is called, and the metrics that settings name."""
FILE_NAME = re.compile(r"[\w-][\w./-]*")


@dataclass(frozen=True)
class _Module:
    """What one source says; `imports` are absolute: the module, and the names taken from it."""

    digest: bytes
    imports: tuple[tuple[str, tuple[str, ...]], ...]
    texts: frozenset[str]
    """Its strings that may be names of files or of packages."""


class Code:
    """The sources of installed packages, or of those below the folders of `path`; one instance reads a folder once.

    A walk ends before the modules of `ends`, which it leaves out: patterns such as `evergreen.pages.*`, which stands
    for the package and all below it.
    """

    def __init__(self, ends: Sequence[str] = (), path: Sequence[str] | None = None) -> None:
        self._ends = ends
        self._path = path
        self._place = cache(self._find)
        self._folders = cache(self._find_folders)
        self._top = cache(self._find_top)
        self._names = cache(_names)
        self._version = cache(_version)

    def fingerprint(self, *roots: str, packages: Iterable[str] = ()) -> str:
        """SHA-256 (hex) of the modules `roots` and what they import, and of `packages`, given as NAME==VERSION.

        The version of Python counts, whose Unicode tables decide normalised texts.

        Raises:
            ModuleNotFoundError: a root has no source.
        """
        missing = [root for root in roots if not self.has_source(root)]
        if missing:
            raise ModuleNotFoundError(f"no source of {', '.join(missing)}, whose fingerprint is asked for")
        parts = ["python {}.{}".format(*version_info).encode(), *(f"package {name}".encode() for name in packages)]
        for name in self.modules(*roots):
            parts.extend(self._parts(name))
        return hashlib.sha256(b"\n".join(sorted(set(parts)))).hexdigest()

    def has_source(self, name: str) -> bool:
        """Whether a module can be read: a compiled one cannot."""
        return self._place(name) is not None

    def modules(self, *roots: str) -> list[str]:
        """The modules that the roots lead to, themselves included, by name; packages that are not ours are left out."""
        ours = {*OURS, *(root.partition(".")[0] for root in roots)}
        waiting, reached = list(roots), set[str]()
        while waiting:
            name = waiting.pop()
            if name in reached or self._is_end(name) or name.partition(".")[0] not in ours:
                continue
            if self._place(name) is not None:
                reached.add(name)
                waiting.extend(self._imported(name))
        return sorted(reached)

    def in_packages(self, above: str, last: str) -> list[str]:
        """The modules of this last name in the packages that lie directly in one, by name."""
        within = {f"{above}.{package}.{last}" for folder in self._folders(above) for package in self._names(folder)}
        return sorted(filter(self.has_source, within))

    def _parts(self, name: str) -> Iterator[bytes]:
        place = self._place(name)
        if place is None:
            return
        module = _parsed(place)
        yield b"module %s %s" % (name.encode(), module.digest)
        for label, file in self._data_files(name, module):
            yield b"file %s %s" % (label.encode(), _content(file))
        for imported, _ in module.imports:
            for distribution in NUMERIC.get(imported.partition(".")[0], ()):
                yield f"package {distribution}=={self._version(distribution)}".encode()

    def _imported(self, name: str) -> Iterator[str]:
        """The modules that importing this one, or calling what it holds, may import; those above each come first."""
        place = self._place(name)
        for module, taken in _parsed(place).imports if place else ():
            absolute = _absolute(module, name, is_package=place is not None and place.name == "__init__.py")
            parts = absolute.split(".")
            yield from (".".join(parts[:depth]) for depth in range(1, len(parts) + 1))
            yield from (f"{absolute}.{member}" for member in taken)
        yield from (".".join(name.split(".")[:depth]) for depth in range(1, name.count(".") + 1))

    def _data_files(self, name: str, module: _Module) -> Iterator[tuple[str, Path]]:
        """Files that its strings name, beside it or in a package that they name, too; whole folders of them."""
        place = self._place(name)
        packages = {text: folder for text in module.texts if (folder := self._package(text)) is not None}
        if place is not None:
            own = name if place.name == "__init__.py" else name.rpartition(".")[0]
            packages[own] = place.parent
        for package, folder in packages.items():
            for text in module.texts:
                first = text.partition("/")[0]
                if first in self._names(folder):
                    yield from _files(f"{package}/{text}", folder / text)

    def _package(self, name: str) -> Path | None:
        if name.partition(".")[0] not in OURS:
            return None
        place = self._place(name)
        return place.parent if place is not None and place.name == "__init__.py" else None

    def _is_end(self, name: str) -> bool:
        return any(
            name == end.removesuffix(".*") or (end.endswith(".*") and fnmatchcase(name, end)) for end in self._ends
        )

    def _find(self, name: str) -> Path | None:
        """The source of a module or package."""
        above, _, last = name.rpartition(".")
        if not above:
            spec = self._top(name)
            origin = spec.origin if spec else None
            return Path(origin) if origin is not None and origin.endswith(".py") else None
        for folder in self._folders(above):
            if f"{last}.py" in self._names(folder):
                return folder / f"{last}.py"
            if last in self._names(folder) and "__init__.py" in self._names(folder / last):
                return folder / last / "__init__.py"
        return None

    def _find_folders(self, name: str) -> tuple[Path, ...]:
        """Where the modules of a package are: beside its `__init__.py`, or in each folder of a namespace package."""
        place = self._place(name)
        if place is not None:
            return (place.parent,) if place.name == "__init__.py" else ()
        above, _, last = name.rpartition(".")
        if above:
            return tuple(folder / last for folder in self._folders(above) if last in self._names(folder))
        spec = self._top(name)
        return tuple(map(Path, spec.submodule_search_locations or ())) if spec else ()

    def _find_top(self, name: str) -> ModuleSpec | None:
        return find_spec(name) if self._path is None else PathFinder.find_spec(name, self._path)


def serving_code(path: Sequence[str] | None = None) -> str:
    """Fingerprint (hex) of what a server process runs, as it is on disk now, below the folders of `path` if given.

    It is the server with each shipped task's `servable`, and what they import, without NOT_SERVED.
    """
    code = Code(NOT_SERVED, path)
    return code.fingerprint(SERVER, *code.in_packages(TASKS, SERVABLE))[:16]


def _names(folder: Path) -> frozenset[str]:
    return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()


def _files(label: str, path: Path) -> Iterator[tuple[str, Path]]:
    """Data files: a named one, or all below a named folder that is no package."""
    if path.is_file() and not _is_code(path):
        yield label, path
    elif path.is_dir() and not (path / "__init__.py").exists():
        for file in sorted(path.rglob("*")):
            if file.is_file() and not _is_code(file):
                yield f"{label}/{file.relative_to(path).as_posix()}", file


def _is_code(path: Path) -> bool:
    return path.suffix in {".py", ".pyc"}


def _absolute(module: str, importer: str, *, is_package: bool) -> str:
    """The name of an imported module, whose leading dots stand for packages above the importer."""
    name = module.lstrip(".")
    level = len(module) - len(name)
    if not level:
        return name
    above = importer.split(".")
    kept = above[: len(above) - level + is_package]
    return ".".join([*kept, *([name] if name else [])])


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "none"


def _parsed(path: Path) -> _Module:
    stat = path.stat()
    return _parse(path, stat.st_mtime_ns, stat.st_size)


def _content(path: Path) -> bytes:
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@cache
def _read(path: Path, _mtime_ns: int, _size: int) -> bytes:
    return hashlib.sha256(path.read_bytes()).hexdigest().encode()


@cache
def _parse(path: Path, _mtime_ns: int, _size: int) -> _Module:
    reader, source = _Reader(), path.read_bytes()
    try:
        reader.read(ast.parse(source, filename=str(path)))
    except (SyntaxError, ValueError):  # whoever imports it is told; until then it counts byte by byte
        return _Module(digest=hashlib.sha256(source).hexdigest().encode(), imports=(), texts=frozenset())
    digest = hashlib.sha256("\0".join(reader.written).encode("utf-8", "surrogatepass"))
    texts = frozenset(text for text in reader.texts if FILE_NAME.fullmatch(text))
    return _Module(digest=digest.hexdigest().encode(), imports=tuple(reader.imports), texts=texts)


class _Reader:
    """Writes a syntax tree down, without positions, docstrings and what only type checkers see."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.imports: list[tuple[str, tuple[str, ...]]] = []
        self.texts: set[str] = set()

    def read(self, node: ast.AST) -> None:
        """Writes one node and all below it."""
        if _is_for_checkers(node):
            for statement in node.orelse:
                self.read(statement)
            return
        self._note(node)
        self.written.append(type(node).__name__)
        for field in node._fields:
            self._read_field(getattr(node, field, None))

    def _read_field(self, value: object) -> None:
        if isinstance(value, ast.AST):
            self.read(value)
        elif isinstance(value, list):
            self.written.append("[")
            for item in value:
                if not isinstance(item, ast.AST):
                    self.written.append(repr(item))
                elif not _is_docstring(item):
                    self.read(item)
            self.written.append("]")
        else:
            self.written.append(repr(value))

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            self.imports.extend((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            self.imports.append((module, tuple(alias.name for alias in node.names)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.texts.add(node.value)


def _is_docstring(node: ast.AST) -> bool:
    """Whether it is a text that stands alone, which does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_for_checkers(node: ast.AST) -> TypeGuard[ast.If]:
    if not isinstance(node, ast.If):
        return False
    test = node.test
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )
