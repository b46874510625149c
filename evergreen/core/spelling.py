"""Names that a system takes in one spelling alone: what it allows, in plain words, and how a name is spelled so.

model_name: My Model   →   should be lower-case letters, digits and hyphens, …, got 'My Model'; write 'my-model'
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass


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
        plain = "".join(one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
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
