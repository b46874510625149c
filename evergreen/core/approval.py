"""Whether a person has to let a version through, what they are asked, and what they answered.

approval: required            # the question stands for 7 days
approval: {expires: 36h}
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, model_validator

from evergreen.core.base import Frozen
from evergreen.core.quoting import cut
from evergreen.core.window import Duration, parse_duration

MOST_CHARS = 500
REQUIRED = "required"


def sentence(text: str) -> str:
    """One line. Raises ValueError: there is nothing on it, or too much."""
    line = " ".join(text.split())
    if not line:
        raise ValueError("is blank; say why in a few words, it is kept with the version")
    if len(line) > MOST_CHARS:
        raise ValueError(f"has {len(line):,} characters, at most {MOST_CHARS} are kept; say it shorter")
    return line


Why = Annotated[str, AfterValidator(sentence)]


class Approval(Frozen):
    """Asks a person before a version that the gate lets through gets traffic; one that nobody approves within `expires`
    counts as rejected.
    """

    expires: Duration = "7d"

    @model_validator(mode="before")
    @classmethod
    def _one_word(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        if given != REQUIRED:
            raise ValueError(
                f"should be {REQUIRED}, or a mapping such as {{expires: 7d}}, got {cut(given)!r}; left out, nobody is "
                "asked"
            )
        return {}

    def until(self, asked: datetime) -> datetime:
        """When a question expires that was asked then."""
        return asked + parse_duration(self.expires)


class Standing(StrEnum):
    """What became of a question."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Answer(Frozen):
    """What a person said of a version: who, when (UTC) and why."""

    approved: bool
    by: str
    at: AwareDatetime
    why: Why

    @property
    def words(self) -> str:
        """`approved by ann@laptop on 2026-11-30 10:00 UTC: the report looks right`."""
        what = "approved" if self.approved else "rejected"
        return f"{what} by {self.by} on {_minute(self.at)}: {self.why}"


class Question(Frozen):
    """A version that waits for a person: `asked` when and `until` when (None: without an end), by the decision of `run`
    that it may replace `champion`, and the answer, where there is one.
    """

    asked: AwareDatetime
    until: AwareDatetime | None
    champion: str | None
    run: str
    answer: Answer | None = None

    def standing(self, now: datetime) -> Standing:
        """What became of it by then; an answer counts whenever it came."""
        if self.answer is not None:
            return Standing.APPROVED if self.answer.approved else Standing.REJECTED
        return Standing.EXPIRED if self.until is not None and now >= self.until else Standing.WAITING

    def words(self, now: datetime) -> str:
        """What follows `version 3fa41c…` in a sentence about it."""
        if self.answer is not None:
            return f"was {self.answer.words}"
        if self.until is None:
            return "is registered, and goes live when it is approved"
        if self.standing(now) is Standing.EXPIRED:
            return f"was approved by nobody until {_minute(self.until)}, which counts as rejected"
        return f"waits for approval until {_minute(self.until)}"

    def after(self, known: Question | None) -> Question:
        """The question that stands when this one is asked after a `known` one.

        The same one keeps its term and its answer, and names the run that asked last. Against another champion, or
        where there was no term, it is another question.
        """
        if known is None or known.champion != self.champion:
            return self
        if known.answer is None and known.until is None and self.until is not None:
            return self
        return known.model_copy(update={"run": self.run})


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
