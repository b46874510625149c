"""What a person is asked about a version, how long, and what their answer comes to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from evergreen.core.approval import MOST_CHARS, Answer, Approval, Question, Standing

ASKED = datetime(2026, 11, 30, 10, tzinfo=UTC)
UNTIL = ASKED + timedelta(days=7)
WAITING = Question(asked=ASKED, until=UNTIL, champion="a1", run="training-1")


def answer(*, approved: bool, why: str = "the report looks right") -> Answer:
    return Answer(approved=approved, by="ann@laptop", at=ASKED + timedelta(hours=1), why=why)


@pytest.mark.parametrize(
    ("given", "days"), [("required", 7), ({}, 7), ({"expires": "36h"}, 1.5), (Approval(expires="2w"), 14)]
)
def test_approval_is_required_by_a_word_or_with_its_term(given: Any, days: float) -> None:
    settings: Approval | None = TypeAdapter(Approval | None).validate_python(given)
    assert settings is not None
    assert settings.until(ASKED) == ASKED + timedelta(days=days)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            "asked for",
            "should be required, or a mapping such as {expires: 7d}, got 'asked for'; left out, nobody is asked",
        ),
        ({"expires": "soon"}, "'soon' is not a duration"),
        ({"expire": "7d"}, "Extra inputs are not permitted"),
        (True, "Input should be"),
    ],
)
def test_what_is_no_approval_is_refused_in_words(given: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told.replace("{", r"\{")):
        TypeAdapter(Approval | None).validate_python(given)


@pytest.mark.parametrize(
    ("question", "after", "standing", "words"),
    [
        (WAITING, timedelta(0), Standing.WAITING, "waits for approval until 2026-12-07 10:00 UTC"),
        (WAITING, timedelta(days=6, hours=23), Standing.WAITING, "waits for approval until 2026-12-07 10:00 UTC"),
        (
            WAITING,
            timedelta(days=7),
            Standing.EXPIRED,
            "was approved by nobody until 2026-12-07 10:00 UTC, which counts as rejected",
        ),
        (
            WAITING.model_copy(update={"answer": answer(approved=True)}),
            timedelta(days=99),
            Standing.APPROVED,
            "was approved by ann@laptop on 2026-11-30 11:00 UTC: the report looks right",
        ),
        (
            WAITING.model_copy(update={"answer": answer(approved=False, why="too  slow\n")}),
            timedelta(0),
            Standing.REJECTED,
            "was rejected by ann@laptop on 2026-11-30 11:00 UTC: too slow",
        ),
        (
            WAITING.model_copy(update={"until": None}),
            timedelta(days=9999),
            Standing.WAITING,
            "is registered, and goes live when it is approved",
        ),
    ],
)
def test_a_request_waits_expires_or_is_answered(
    question: Question, after: timedelta, standing: Standing, words: str
) -> None:
    question = Question.model_validate_json(question.model_dump_json())
    assert (question.standing(ASKED + after), question.words(ASKED + after)) == (standing, words)


@pytest.mark.parametrize(("why", "told"), [(" \n ", "is blank; say why"), ("a" * (MOST_CHARS + 1), "at most 500")])
def test_an_answer_says_why_in_a_few_words(why: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        answer(approved=True, why=why)


def test_the_same_question_is_asked_once_and_keeps_its_term_and_answer() -> None:
    again = Question(asked=UNTIL, until=UNTIL + timedelta(days=7), champion="a1", run="training-2")
    assert again.after(None) is again
    assert again.after(WAITING) == WAITING.model_copy(update={"run": "training-2"})
    approved = WAITING.model_copy(update={"answer": answer(approved=True)})
    assert again.after(approved).standing(UNTIL) is Standing.APPROVED


def test_against_another_champion_or_where_there_was_no_term_it_is_another_question() -> None:
    approved = WAITING.model_copy(update={"answer": answer(approved=True)})
    against_another = WAITING.model_copy(update={"champion": "b2"})
    assert against_another.after(approved) is against_another
    registered = WAITING.model_copy(update={"until": None})
    assert WAITING.after(registered) is WAITING
    assert registered.model_copy(update={"asked": UNTIL}).after(registered) == registered
