"""A YAML file read strictly: no duplicate keys, a line for every key, `${NAME}` filled from the environment.

region: ${GOOGLE_CLOUD_REGION}     →     {"region": "europe-west4"}
key: ${EVERGREEN_KMS_KEY:-}        →     {"key": None} where it is not set, or empty
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from evergreen.core.bounded_yaml import BoundedLoader, YamlBoundError
from evergreen.core.errors import InputError
from orchestration.mistakes import ConfigurationError, Mistake, YamlPath, shown

PLACEHOLDER = re.compile(r"\$\{([^}]*?)(?::-)?\}")
OPTIONAL = re.compile(r"\$\{([^}]*):-\}")
"""A whole value that may be left out."""
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Document:
    """One YAML mapping: as written, and with every `${NAME}` filled. `lines` maps paths to lines, from 1."""

    path: Path
    written: dict[str, Any]
    values: dict[str, Any]
    lines: dict[YamlPath, int]
    mistakes: tuple[Mistake, ...]

    def error(self, mistakes: list[Mistake], *, partly: bool = False) -> ConfigurationError:
        """The error that tells these mistakes and those of the file itself; `partly`: others were not looked for.

        Of a value that could not be filled in, that alone is told: what else is wrong with it is the placeholder.
        """
        unfilled = {mistake.path for mistake in self.mistakes}
        others = [mistake for mistake in mistakes if mistake.path not in unfilled]
        return ConfigurationError(self.path, [*self.mistakes, *others], self.lines, partly=partly)

    def with_parameter(self, name: str, value: str | dict[str, str]) -> Document:
        """The document with another value at `parameters.<name>`; its line stays that of the file."""

        def changed(values: dict[str, Any]) -> dict[str, Any]:
            parameters = values.get("parameters") or {}
            return {**values, "parameters": {**parameters, name: value}} if isinstance(parameters, dict) else values

        return replace(self, written=changed(self.written), values=changed(self.values))

    def got(self, path: YamlPath) -> Any:
        """What is written at `path`, placeholders unfilled, so that an error shows no value of the environment.

        Raises:
            LookupError: nothing is written there.
        """
        node: Any = self.written
        for part in path:
            node = node[part]
        return node

    def variables(self, path: YamlPath) -> list[str]:
        """The names of those that fill the value at `path` itself."""
        try:
            written = self.got(path)
        except LookupError:
            return []
        return PLACEHOLDER.findall(written) if isinstance(written, str) else []

    def mask(self, text: str, path: YamlPath) -> str:
        """`text` with the values that were filled in at or below `path` turned back into their placeholders."""
        for place, template in walk(self.written):
            if isinstance(template, str) and place[: len(path)] == path:
                for name in PLACEHOLDER.findall(template):
                    value = os.environ.get(name)
                    text = text.replace(value, f"${{{name}}}") if value else text
        return text


def read(path: Path) -> Document:
    """The mapping in a YAML file. Duplicate keys and missing environment variables are kept in `mistakes`.

    Raises:
        InputError: the file cannot be read; a ConfigurationError when it is not YAML or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if "\0" in text:  # plain letters in UTF-16 are UTF-8 as well
            raise InputError(_not_utf8(path))
    except UnicodeDecodeError as error:
        raise InputError(_not_utf8(path)) from error
    except OSError as error:
        raise InputError(f"cannot read {shown(path)}: {error}") from error
    try:
        root = yaml.compose(text, BoundedLoader)
        written = _construct(root) if root else None
    except yaml.YAMLError as error:
        raise ConfigurationError(path, [_not_yaml(error)], {}) from error
    if root is None or not isinstance(written, dict):
        got = "nothing" if root is None else type(written).__name__
        raise ConfigurationError(path, [Mistake((), f"should be a mapping (key: value), got {got}")], {})
    lines: dict[YamlPath, int] = {}
    mistakes = [*_index(root, (), lines), *_unfilled(written)]
    return Document(path, written, _filled(written), lines, tuple(mistakes))


def _not_utf8(path: Path) -> str:
    given = path.read_bytes()
    encoding = "UTF-16" if given.startswith(UTF_16) else "UTF-16LE" if b"\0" in given else "CP1252"
    name = shown(path)
    return (
        f"{name} is not UTF-8, which configurations are written in, but {encoding} by its looks; save it as UTF-8 in "
        f"your editor, or run: iconv -f {encoding} -t UTF-8 {shlex.quote(name)} > utf8.yaml"
    )


def walk(node: Any, path: YamlPath = ()) -> Iterator[tuple[YamlPath, Any]]:
    """Every value of nested mappings and lists, with its path; containers come before what they hold."""
    yield path, node
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from walk(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, (*path, index))


def _construct(root: yaml.Node) -> Any:
    loader = BoundedLoader("")
    try:
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _not_yaml(error: yaml.YAMLError) -> Mistake:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    where = f"column {mark.column + 1}: " if mark else ""
    what = "" if isinstance(error, YamlBoundError) else "not YAML: "
    return Mistake((), f"{where}{what}{problem}", line=mark.line + 1 if mark else 1)


def _index(node: yaml.Node, path: YamlPath, lines: dict[YamlPath, int]) -> Iterator[Mistake]:
    """Fills `lines`; yields duplicate keys and keys that are no strings."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            yield from _index(item, (*path, index), lines)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                yield Mistake((*path, name), f"written twice, first in line {seen[name]}; keep one", line=line)
            seen.setdefault(name, line)
            lines[(*path, name)] = line
            yield from _index(value, (*path, name), lines)


def _unfilled(written: dict[str, Any]) -> Iterator[Mistake]:
    for path, value in walk(written):
        for name in PLACEHOLDER.findall(value) if isinstance(value, str) else ():
            if not NAME.fullmatch(name):
                yield Mistake(path, f"'${{{name}}}' is no environment variable's name; write ${{NAME}}")
            elif name not in os.environ and not OPTIONAL.fullmatch(value):
                yield Mistake(path, f"environment variable {name} is not set; export {name}=…")


def _filled(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value) for value in node]
    if isinstance(node, str) and (optional := OPTIONAL.fullmatch(node)):
        return os.environ.get(optional[1]) or None
    if isinstance(node, str):
        return PLACEHOLDER.sub(lambda match: os.environ.get(match[1], match[0]), node)
    return node
