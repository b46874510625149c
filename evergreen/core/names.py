"""Names as people read and write them: one that is written in two ways is one, two that only look alike are told apart.

`é` is one character (U+00E9) where Windows and Linux write it and two (U+0065 U+0301) in file names of a Mac.

A system that takes names in one spelling alone says so in plain words, and how a name is spelled so:
model_name: My Model   →   should be lower-case letters, digits and hyphens, …, got 'My Model'; write 'my-model'
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

_LISTED = 40
SHORTEST_MISSPELT = 5


def nfc(name: str) -> str:
    """The name composed (Unicode's NFC), as names are compared."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def listed(names: Iterable[str]) -> str:
    """The names in quotes, so that spaces show; those that look like another of them with their code points."""
    given = list(names)
    alike: dict[str, set[str]] = {}
    for name in given:
        alike.setdefault(_appearance(name), set()).add(name)
    shown = [quoted(name) + (f" ({code_points(name)})" if len(alike[_appearance(name)]) > 1 else "") for name in given]
    more = len(shown) - _LISTED
    return ", ".join(shown[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def quoted(name: str) -> str:
    """The name in quotes, so that spaces show, and what cannot be seen in it escaped."""
    written = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in name
    )
    return f"'{written}'"


def code_points(name: str) -> str:
    """Those of its characters that are not plain ASCII, such as `U+0301`, or `ASCII` where all are."""
    return " ".join(f"U+{ord(character):04X}" for character in name if not character.isascii()) or "ASCII"


def nearest(name: str, names: Sequence[str]) -> str:
    """` (did you mean 'Sports'?)`, as `suggestion` words it, or nothing."""
    words = suggestion(name, names)
    return f" ({words})" if words else ""


def suggestion(name: str, names: Sequence[str]) -> str:
    """`did you mean 'Sports'?`, or nothing where none is near; with code points where both look the same."""
    by_folded = {_folded(other): other for other in reversed(names)}
    close = difflib.get_close_matches(_folded(name), by_folded, n=1)
    if not close:
        return ""
    near = by_folded[close[0]]
    points = (
        f", with {code_points(near)} instead of {code_points(name)}" if _appearance(near) == _appearance(name) else ""
    )
    return f"did you mean {quoted(near)}{points}?"


def is_misspelt(name: str, names: Sequence[str]) -> bool:
    """Whether it is none of the names but one of them with a slip: in case, spaces or look-alike characters, or by one
    letter inside a word of five and more. What merely looks similar, such as `environment` to `entertainment`, is not.
    """
    return name not in names and any(_slipped(_folded(name), _folded(other)) for other in names)


def _slipped(one: str, other: str) -> bool:
    if one == other:
        return True
    if min(len(one), len(other)) < SHORTEST_MISSPELT or (one[0], one[-1]) != (other[0], other[-1]):
        return False
    one, other = _apart(one, other)
    one, other = (rest[::-1] for rest in _apart(one[::-1], other[::-1]))
    return (one + other).isalpha() and (max(len(one), len(other)) == 1 or (len(one) == 2 and one == other[::-1]))


def _apart(one: str, other: str) -> tuple[str, str]:
    """Both without the characters that both begin with."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    return one[same:], other[same:]


def _folded(name: str) -> str:
    return _appearance(name).strip().casefold()


def _appearance(name: str) -> str:
    """What is left of a name to the eye: compatible forms as one, Cyrillic and Greek letters as their Latin twins."""
    plain = unicodedata.normalize("NFKC", name).translate(_TWINS)
    return "".join(character for character in plain if unicodedata.category(character) != "Cf")


_TWINS = str.maketrans("АВЕКМНОРСТХаеорсухіјΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEKMHOPCTXaeopcyxijABEZHIKMNOPTYXo")


class SpellingError(ValueError):
    """A name is not spelled as is allowed. `rule` is the message without the name and what is made of it."""

    def __init__(self, rule: str, got: str, instead: str | None = None) -> None:
        advice = f"; write {instead!r}" if instead else ""
        super().__init__(f"{rule}, got {got[:60]!r}{advice}")
        self.rule = rule


@dataclass(frozen=True)
class Spelling:
    """A rule for names: `pattern`, the same in `words`, the `letters` that it is made of and the `most` of them."""

    words: str
    pattern: re.Pattern[str]
    letters: str
    most: int
    begins_with_letter: bool = True

    def check(self, name: str) -> str:
        """The name itself.

        Raises:
            SpellingError: it is not spelled so; the message has the nearest name that is, where there is one.
        """
        if not self.pattern.fullmatch(name):
            raise SpellingError(f"should be {self.words}", name, self.nearest(name))
        return name

    def nearest(self, name: str) -> str | None:
        """The name as it would be allowed; None where nothing of it is left."""
        plain = "".join(
            character for character in unicodedata.normalize("NFKD", name) if not unicodedata.combining(character)
        )
        near = re.sub(rf"[^{self.letters}]+", "-", plain.lower())
        near = near.lstrip("-_0123456789") if self.begins_with_letter else near.lstrip("-")
        near = near[: self.most].rstrip("-_")
        return near if near and self.pattern.fullmatch(near) else None


def written_as(pattern: str, words: str) -> Callable[[str], str]:
    """A check that returns a text of this pattern, and raises SpellingError, which tells it in `words`, for another."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise SpellingError(f"should be {words}", text)
        return text

    return check


MODEL_NAME = Spelling(
    "lower-case letters, digits and hyphens, a letter first and no hyphen last, at most 63",
    re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"),
    "a-z0-9-",
    63,
)
LABEL_KEY = Spelling(
    "lower-case letters, digits, hyphens and underscores, a letter first, at most 63",
    re.compile(r"[a-z][a-z0-9_-]{0,62}"),
    "a-z0-9_-",
    63,
)
LABEL_VALUE = Spelling(
    "lower-case letters, digits, hyphens and underscores, at most 63",
    re.compile(r"[a-z0-9_-]{0,63}"),
    "a-z0-9_-",
    63,
    begins_with_letter=False,
)
"""Of labels on Google's resources."""
