"""Mistakes in a YAML file, told all at once, each with line, path, what is allowed and the nearest allowed word.

configs/local.yaml has 2 mistakes:
  line 4: parametres: unknown key; did you mean 'parameters'?
          allowed: build, cache_policy, enable_artifact_metadata, …
  line 9: parameters.source.kind: unknown kind 'fils'; did you mean 'files'?
          allowed: files, huggingface, package
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from evergreen.core.errors import InputError

YamlPath = tuple[str | int, ...]
UNKNOWN_KEY = "unknown key"
TEXT_WIDTH = 110
MOST_WORDS = 60


@dataclass(frozen=True)
class Mistake:
    """One mistake; `path` is empty for the file as a whole, `line` counts from 1 (None: the line of the path)."""

    path: YamlPath
    message: str
    allowed: tuple[str, ...] = ()
    line: int | None = None


class ConfigurationError(InputError):
    """A YAML file that cannot be used, with every mistake that it holds; `partly`: in what the command reads of it."""

    def __init__(
        self, file: Path, mistakes: Iterable[Mistake], lines: Mapping[YamlPath, int], *, partly: bool = False
    ) -> None:
        self.mistakes = tuple(
            sorted(mistakes, key=lambda entry: (entry.line or line_of(entry.path, lines), str(entry.path)))
        )
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        paragraphs: list[str] = []
        listed: dict[tuple[str, ...], int] = {}
        for mistake in self.mistakes:
            line = mistake.line or line_of(mistake.path, lines)
            paragraphs += _sentences(mistake, line, listed)
            listed.setdefault(mistake.allowed, line)
        if partly:
            count += " in what this command reads"
            paragraphs.append(f"the rest was not checked: python run.py --config {shown(file)} --dry-run")
        super().__init__("\n".join([f"{shown(file)} has {count}:", *paragraphs]))


def unknown(path: YamlPath, what: str, allowed: Iterable[str]) -> Mistake:
    """The mistake of a word (`what`, e.g. `key` or `kind 'fils'`) that is none of the allowed ones."""
    words = tuple(sorted(allowed))
    got = what.split("'")[1] if "'" in what else str(path[-1])
    return Mistake(path, f"unknown {what}{hint(got, words)}", words)


def beside(mistake: Mistake, parameters: Iterable[str]) -> Mistake:
    """The mistake; that of an unknown key within a parameter says where it belongs, where it is another parameter's
    name, or nearer to one than to any key that is allowed there.
    """
    if not mistake.message.startswith(UNKNOWN_KEY) or len(mistake.path) != 3:
        return mistake
    got, (root, parameter) = str(mistake.path[-1]), mistake.path[:2]
    near = get_close_matches(got, [*parameters, *mistake.allowed], n=1, cutoff=0.8)
    if not near or near[0] in (parameter, *mistake.allowed):
        return mistake
    return replace(mistake, message=f"{UNKNOWN_KEY}; {near[0]!r} belongs beside {parameter!r}, as {root}.{near[0]}")


def hint(got: str, allowed: Iterable[str]) -> str:
    """`; did you mean 'files'?`, or nothing when no allowed word is near."""
    words = list(allowed)
    folded = {word.casefold(): word for word in words}
    near = get_close_matches(got.casefold(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""


def dotted(path: YamlPath) -> str:
    """`parameters.task.labels[3]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def line_of(path: YamlPath, lines: Mapping[YamlPath, int]) -> int:
    """Line of the nearest written ancestor of `path`, from 1."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def shown(file: Path) -> str:
    """The path as a person would type it from here."""
    try:
        return str(file.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def _sentences(mistake: Mistake, line: int, listed: Mapping[tuple[str, ...], int]) -> list[str]:
    """The mistake, and below it what is allowed; a long list that was already told is only referred to."""
    where, place = f"  line {line}: ", dotted(mistake.path)
    sentences = [where + (f"{place}: " if place else "") + mistake.message]
    if not mistake.allowed:
        return sentences
    words = ", ".join(mistake.allowed[:MOST_WORDS])
    if len(mistake.allowed) > MOST_WORDS:
        words += f", … ({len(mistake.allowed)} in all)"
    if mistake.allowed in listed and len(words) > TEXT_WIDTH:
        words = f"as told for line {listed[mistake.allowed]}"
    sentences += textwrap.wrap(
        f"allowed: {words}",
        width=TEXT_WIDTH,
        initial_indent=" " * len(where),
        subsequent_indent=" " * (len(where) + len("allowed: ")),
        break_on_hyphens=False,
        break_long_words=False,
    )
    return sentences
