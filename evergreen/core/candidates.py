"""Which version a person may approve or reject, and which one is not to go live because of what they said. Pure."""

from __future__ import annotations

from datetime import datetime

from evergreen.core.approval import Answer, Question, Standing
from evergreen.core.decision import PromotionDecision, Reason, Verdict
from evergreen.core.errors import InputError
from evergreen.core.gate import ANOTHER_MODEL, APPROVAL, overtaken
from evergreen.core.names import suggestion
from evergreen.core.versions import Alias, ModelVersion, RecordState

REFUSED = (Standing.REJECTED, Standing.EXPIRED)
MOST_MEANT = 3
"""So many versions are offered for a name that is short for them."""


def refusal(state: RecordState, version: ModelVersion, now: datetime) -> str | None:
    """That a person rejected the version, or one of its recipe, or nobody approved it in time; None: neither."""
    twins = (entry for entry in state.versions if entry.recipe == version.recipe and entry.version != version.version)
    for name in (version.version, *(twin.version for twin in twins)):
        question = state.questions.get(name)
        if question is None or question.standing(now) not in REFUSED:
            continue
        if name == version.version:
            return f"version {name} {question.words(now)}; {ANOTHER_MODEL}"
        return f"version {version.version} repeats the recipe of {name}, which {question.words(now)}; {ANOTHER_MODEL}"
    return None


def no_champion(model: str, state: RecordState, to: str, now: datetime) -> str:
    """Says of a model without a champion that there is none `to` whatever end, and what became of its candidate."""
    lacks = f"model '{model}' has no champion to {to}"
    candidate = state.named(Alias.CANDIDATE)
    if candidate is None:
        return f"{lacks}; run its configuration first"
    name, question = candidate.version, state.questions.get(candidate.version)
    stands = refusal(state, candidate, now) or (f"version {name} {question.words(now)}" if question else None)
    if stands is None:
        became = "was rolled back" if state.withdrawn(candidate) else "did not stay live, or is on its way"
        stands = f"version {name} is its candidate, which {became}"
    return f"{lacks}: {stands}; `run.py status` says what became of it"


def approvable(state: RecordState, name: str, now: datetime) -> ModelVersion | None:
    """The version of this name, which may go live; None: it is champion already.

    Raises:
        InputError: there is none of that name; it was rejected, expired or was rolled back; a newer one is candidate;
            or there is another champion than the one that it was judged against.
    """
    version = _registered(state, name)
    champion, candidate = state.aliases.get(Alias.CHAMPION), state.aliases.get(Alias.CANDIDATE)
    if name == champion:
        return None
    if words := refusal(state, version, now):
        raise InputError(words)
    if withdrawn := state.withdrawn(version):
        twin = "" if withdrawn == name else f" repeats the recipe of {withdrawn}, which"
        raise InputError(f"version {name}{twin} was rolled back; {ANOTHER_MODEL}")
    if name != candidate:
        newest = f"{candidate} is" if candidate else "there is none"
        raise InputError(
            f"version {name} is not the candidate, {newest}; run the pipeline again to have it judged anew"
        )
    if stale := overtaken(name, question_about(state, version, now).champion, champion):
        raise InputError(stale)
    return version


def rejectable(state: RecordState, name: str) -> ModelVersion:
    """The version of this name, which has no traffic that a rejection would have to take from it.

    Raises:
        InputError: there is none of that name, or it is champion or the one before.
    """
    version = _registered(state, name)
    if name == state.aliases.get(Alias.CHAMPION):
        back = "`rollback` gives the previous one all the traffic again"
        first = (
            "there is none before it to go back to: run the pipeline for another one, or `teardown` ends its endpoint"
        )
        raise InputError(f"version {name} is the champion; {back if state.aliases.get(Alias.PREVIOUS) else first}")
    if name == state.aliases.get(Alias.PREVIOUS):
        raise InputError(f"version {name} is the previous champion, which `rollback` goes back to; it stays")
    return version


def is_approved(state: RecordState, decision: PromotionDecision) -> bool:
    """Whether a person let the version through, in place of the champion that the decision is about."""
    question = state.questions.get(decision.version)
    if question is None or question.answer is None:
        return False
    return question.answer.approved and question.champion == decision.champion


def question_about(state: RecordState, version: ModelVersion, now: datetime) -> Question:
    """What is asked about a version; of one whose run did not come to ask, what it was registered with."""
    asked = Question(asked=now, until=None, champion=version.judged_against, run=version.run)
    return state.questions.get(version.version, asked)


def answered(decision: PromotionDecision, answer: Answer) -> PromotionDecision:
    """The gate's decision, with what a person made of it as its first reason."""
    reasons = [reason for reason in decision.reasons if reason.rule != APPROVAL]
    said = Reason(rule=APPROVAL, passed=answer.approved, message=f"version {decision.version} was {answer.words}")
    verdict = decision.verdict if answer.approved else Verdict.KEEP
    return decision.model_copy(update={"verdict": verdict, "reasons": (said, *reasons)})


def _registered(state: RecordState, name: str) -> ModelVersion:
    version = state.find(name)
    if version is None:
        held = ", ".join(entry.version for entry in reversed(state.versions))
        has = f"has: {held}, newest first" if held else "which has none yet: run the configuration first"
        raise InputError(f"version {name!r} is not in the record{_meant(state, name)} ({has})")
    return version


def _meant(state: RecordState, name: str) -> str:
    """`; did you mean '3fa41c02be17'?`, where the name is short for one, or nearly one; else nothing."""
    held = [entry.version for entry in reversed(state.versions)]
    if name and (longer := [version for version in held if version.startswith(name)]):
        return f"; a version is named whole, did you mean {' or '.join(map(repr, longer[:MOST_MEANT]))}?"
    near = suggestion(name, held)
    return f"; {near}" if near else ""
