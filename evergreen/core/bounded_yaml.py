"""YAML that a few bytes of text cannot blow up: depth, nodes and aliases are bounded while the text is read.

Each alias counts as all the nodes that it stands for, so that eight levels of ten ("billion laughs") end at the limit.
Words and numbers are those of YAML 1.2, as people mean them: `no` and `on` are text, and so are `85:56` and `010`,
which YAML 1.1 takes for 5156 and 8; `2e-5` is a number, and `1234e567`, too large for one, the text of a commit's name.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml
from typing_extensions import override

MOST_LEVELS = 50
MOST_NODES = 10_000
MOST_CHARS = 100
_OLD_TAGS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float"))
_BOOLEAN = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INTEGER = re.compile(r"(?:[-+]?(?:0|[1-9][0-9_]*)|0x[0-9a-fA-F]+)\Z")
_NUMBER = re.compile(
    r"(?:[-+]?(?:(?:0|[1-9][0-9_]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)


class YamlBoundError(yaml.MarkedYAMLError):
    """The text is YAML, but deeper or larger than anything that is meant; `problem` and `problem_mark` say so."""


class BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe loader, bounded."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._depth = 0
        self._nodes = 0
        self._sizes: dict[int, int] = {}

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag not in _OLD_TAGS]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    @override
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node.

        Raises:
            YamlBoundError: it is too deep, one too many, or an alias to what it is itself part of.
        """
        if self.check_event(yaml.AliasEvent):
            return self._alias(parent, index)
        self._depth += 1
        if self._depth > MOST_LEVELS:
            raise self._error(f"nested more than {MOST_LEVELS} levels deep; write it flatter")
        before = self._nodes
        self._count(1)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._sizes[id(node)] = self._nodes - before
        self._depth -= 1
        return node

    @override
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node.

        Raises:
            yaml.constructor.ConstructorError: it is none of its type, such as a 30th of February.
        """
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, float) and math.isinf(value) and "inf" not in node.value.lower():
                value = node.value
            if isinstance(value, str):
                value.encode()  # refuses half a character, which no file, log or database takes
        except (ValueError, LookupError, OverflowError, AttributeError) as error:  # PyYAML's own conversions
            kind = str(node.tag).rpartition(":")[2]
            reason = f"no {kind} that can be read: {str(error)[:MOST_CHARS]}"
            raise yaml.constructor.ConstructorError(None, None, reason, node.start_mark) from error
        return value

    def _alias(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        name = self._next().anchor
        meant = self.anchors.get(name)
        if meant is not None and id(meant) not in self._sizes:
            raise self._error(f"alias '*{name}' is part of what it stands for; write the value out")
        if meant is not None:
            self._count(self._sizes[id(meant)])
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def _next(self) -> Any:
        return self.peek_event()  # type: ignore[no-untyped-call]

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise self._error(f"more than {MOST_NODES:,} values with its aliases; write fewer, or name a file of data")

    def _error(self, problem: str) -> YamlBoundError:
        return YamlBoundError(problem=problem, problem_mark=self._next().start_mark)


for _tag, _pattern, _first in zip(
    _OLD_TAGS, (_BOOLEAN, _INTEGER, _NUMBER), ("tTfF", "-+0123456789", "-+.0123456789"), strict=True
):
    BoundedLoader.add_implicit_resolver(_tag, _pattern, list(_first))


class BoundedDumper(yaml.SafeDumper):
    """PyYAML's safe dumper, which quotes what BoundedLoader would not read as text."""

    yaml_implicit_resolvers = BoundedLoader.yaml_implicit_resolvers


def safe_dump(value: object) -> str:
    """The value as a YAML text of which `safe_load` makes the same value."""
    return yaml.dump(value, Dumper=BoundedDumper, allow_unicode=True, sort_keys=False)


def safe_load(text: str) -> Any:
    """The value of a YAML text.

    Raises:
        yaml.YAMLError: it is no YAML; a YamlBoundError where it is out of bounds.
    """
    return yaml.load(text, BoundedLoader)  # noqa: S506 (a SafeLoader)
