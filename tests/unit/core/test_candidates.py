"""Which version may be approved or rejected, as a table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evergreen.core.approval import Answer, Question
from evergreen.core.candidates import (
    answered,
    approvable,
    is_approved,
    no_champion,
    question_about,
    refusal,
    rejectable,
)
from evergreen.core.decision import PromotionDecision, Reason, Verdict
from evergreen.core.errors import InputError
from evergreen.core.versions import Alias, ModelVersion, RecordState

NOW = datetime(2026, 11, 30, 10, tzinfo=UTC)
NO = Answer(approved=False, by="ann@laptop", at=NOW, why="too slow")
YES = Answer(approved=True, by="ann@laptop", at=NOW, why="as asked")
TWIN = "cc"
"""Of the recipe of `c`, with other bits."""


def version(name: str) -> ModelVersion:
    fields: dict[str, Any] = {"artifact": "", "report": "", "run": f"run-{name}", "metrics": {}, "examples": ()}
    return ModelVersion(version=name, recipe=name[0], judged_against="b", **fields)


def question(**changes: Any) -> Question:
    known = Question(asked=NOW, until=NOW + timedelta(days=7), champion="b", run="run-c")
    return known.model_copy(update=changes)


def record(**changes: Any) -> RecordState:
    """Champion `b`, `a` before it, candidate `c`, which waits."""
    aliases = {Alias.PREVIOUS: "a", Alias.CHAMPION: "b", Alias.CANDIDATE: "c"}
    versions = tuple(version(name) for name in ("a", "b", TWIN, "c"))
    state = RecordState(versions=versions, aliases=aliases, questions={"c": question()})
    return state.model_copy(update=changes)


def test_where_nothing_is_recorded_what_to_do_is_told() -> None:
    with pytest.raises(InputError, match=r"^version 'c' is not in the record \(which has none yet: run the conf"):
        approvable(RecordState(), "c", NOW)


def test_the_candidate_may_be_approved_and_the_champion_needs_none() -> None:
    assert approvable(record(), "c", NOW) == version("c")
    assert approvable(record(questions={"c": question(answer=YES)}), "c", NOW + timedelta(days=99)) == version("c")
    assert approvable(record(questions={}), "c", NOW) == version("c")  # its run ended before it came to ask
    assert approvable(record(), "b", NOW) is None


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("zz", {}, r"version 'zz' is not in the record \(has: c, cc, b, a, newest first\)"),
        ("ccc", {}, r"version 'ccc' is not in the record; did you mean 'cc'\? \(has: c, cc"),
        ("a", {}, "version a is not the candidate, c is; run the pipeline again"),
        ("c", {"aliases": {Alias.CHAMPION: "b"}}, "version c is not the candidate, there is none; run the pipeline"),
        (
            "c",
            {"questions": {"c": question(answer=NO)}},
            "version c was rejected by ann@laptop on .*: too slow; change",
        ),
        (
            "c",
            {"questions": {"c": question(until=NOW)}},
            "version c was approved by nobody until .*, which counts as rej",
        ),
        ("c", {"questions": {TWIN: question(answer=NO)}}, "version c repeats the recipe of cc, which was rejected by"),
        ("c", {"rolled_back": ("c",)}, "version c was rolled back; change rows"),
        ("c", {"rolled_back": (TWIN,)}, "version c repeats the recipe of cc, which was rolled back"),
        ("c", {"questions": {"c": question(champion="a")}}, "version c was judged against champion a, now b is; run"),
    ],
)
def test_what_may_not_be_approved_is_refused_in_words(name: str, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        approvable(record(**changes), name, NOW)


def test_a_shortened_name_comes_with_the_whole_ones_that_it_may_mean() -> None:
    versions = (version("3fa41c02be17"), version("3fb000000000"), version("9c0000000000"))
    for name, meant in ("3fa4", r"'3fa41c02be17'\?"), ("3f", r"'3fb000000000' or '3fa41c02be17'\?"):
        with pytest.raises(InputError, match=rf"not in the record; a version is named whole, did you mean {meant}"):
            approvable(record(versions=versions), name, NOW)


def test_the_first_champion_has_none_to_roll_back_to() -> None:
    with pytest.raises(
        InputError, match="version b is the champion; there is none before it to go back to: run"
    ) as told:
        rejectable(record(aliases={Alias.CHAMPION: "b"}), "b")
    assert "rollback" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("zz", "'zz' is not in the record"),
        ("b", "is the champion; `rollback` gives the previous one"),
        ("a", "is the previous champion, which `rollback` goes back to"),
    ],
)
def test_what_has_been_champion_is_not_rejected(name: str, told: str) -> None:
    assert rejectable(record(), "c") == version("c")
    assert rejectable(record(), TWIN) == version(TWIN)
    with pytest.raises(InputError, match=told):
        rejectable(record(), name)


def test_a_recipe_that_was_not_let_through_is_refused_and_one_that_waits_is_not() -> None:
    assert refusal(record(), version("c"), NOW) is None
    assert refusal(record(questions={"c": question(answer=YES)}), version("c"), NOW) is None
    refused = record(questions={"c": question(answer=NO)})
    twin = refusal(refused, version(TWIN), NOW)
    assert twin is not None
    assert twin.startswith("version cc repeats the recipe of c, which was rejected by ann@laptop")
    assert refusal(refused, version("d"), NOW) is None


def test_of_a_version_whose_run_did_not_come_to_ask_the_registration_counts() -> None:
    asked = question_about(record(questions={}), version("c"), NOW)
    assert (asked.champion, asked.run, asked.until) == ("b", "run-c", None)
    assert question_about(record(), version("c"), NOW) == question()


def test_an_approval_holds_in_place_of_the_champion_that_it_was_given_for() -> None:
    decision = PromotionDecision(verdict=Verdict.PROMOTE, version="c", champion="b", reasons=())
    approved = record(questions={"c": question(answer=YES)})
    assert is_approved(approved, decision)
    assert not is_approved(approved, decision.model_copy(update={"champion": "d"}))
    assert not is_approved(record(), decision)
    assert not is_approved(record(questions={"c": question(answer=NO)}), decision)
    assert not is_approved(record(questions={}), decision)


def test_a_decision_says_first_what_a_person_made_of_it() -> None:
    gate = Reason(rule="test rows", passed=True, message="measured on 600 test rows")
    decision = PromotionDecision(verdict=Verdict.PROMOTE, version="c", champion="b", reasons=(gate,))
    approved = answered(decision, YES)
    assert (approved.verdict, approved.reasons[1:]) == (Verdict.PROMOTE, (gate,))
    assert approved.reasons[0].message == "version c was approved by ann@laptop on 2026-11-30 10:00 UTC: as asked"
    rejected = answered(approved, NO)
    assert (rejected.verdict, [reason.passed for reason in rejected.reasons]) == (Verdict.KEEP, [False, True])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"aliases": {}, "questions": {}}, "; run its configuration first"),
        ({"questions": {}}, ": version c is its candidate, which did not stay live, or is on its way; `run.py status`"),
        (
            {"questions": {}, "rolled_back": ("c",)},
            ": version c is its candidate, which was rolled back; `run.py status`",
        ),
        ({}, ": version c waits for approval until 2026-12-07 10:00 UTC; `run.py status`"),
        ({"questions": {"c": question(answer=NO)}}, ": version c was rejected by ann@laptop on "),
    ],
)
def test_a_model_without_a_champion_says_what_became_of_its_candidate(changes: dict[str, Any], told: str) -> None:
    state = record(**{"aliases": {Alias.CANDIDATE: "c"}, **changes})
    assert no_champion("news", state, "deploy", NOW).startswith(f"model 'news' has no champion to deploy{told}")
