"""Versions that wait for a person: asked by a run, answered by a command, and brought live by a run of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, NamedTuple

from zenml import save_artifact
from zenml.client import Client

from evergreen.adapters.kinds import AnyHost
from evergreen.core.approval import Answer, Approval, Question
from evergreen.core.candidates import (
    answered,
    approvable,
    is_approved,
    question_about,
    refusal,
    rejectable,
)
from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.deployment import Deployment
from evergreen.core.errors import EvergreenError
from evergreen.core.gate import overtaken
from evergreen.core.protocols import VersionRecord
from evergreen.core.versions import Alias, RecordState, SetAlias
from evergreen.runtime.asides import beside_the_point
from orchestration.artifacts import read_artifact
from orchestration.endpoints import lease_of, open_endpoint
from orchestration.locks import COMMAND_WAIT_S, model_lease
from orchestration.mirrors import sync_mirrors
from orchestration.record import ZenmlRecord
from orchestration.runs import steps_of

APPROVE, REJECT = "approve", "reject"
DECISION, IDENTITY = ("promote", "decision"), ("identify", "identity")
"""Step and output that a run leaves of what a person is asked about."""


class KeptBack(NamedTuple):
    """Why a version that the gate let through does not go live now."""

    outcome: Literal["kept", "waiting"]
    message: str


class Approved(NamedTuple):
    """A version that a person let through, with the artifacts that its delivery starts from, by id."""

    version: str
    answer: Answer
    decision: str
    identity: str


def kept_back(
    record: VersionRecord, state: RecordState, decision: PromotionDecision, run: str, approval: Approval | None
) -> KeptBack | None:
    """Why the promoted version does not go live now; None: it does, or there is none.

    Where `approval` asks for one and nobody has answered, the question is recorded.
    """
    champion, version = state.aliases.get(Alias.CHAMPION), state.find(decision.version)
    if decision.verdict is not Verdict.PROMOTE or decision.version == champion:
        return None
    if stale := overtaken(decision.version, decision.champion, champion):
        return KeptBack("kept", stale)
    now = datetime.now(UTC)
    if version is not None and (words := refusal(state, version, now)):
        return KeptBack("kept", words)
    if approval is None or is_approved(state, decision):
        return None
    question = _ask(record, state, decision, Question(asked=now, until=approval.until(now), champion=champion, run=run))
    return KeptBack("waiting", f"version {decision.version} {question.words(now)}; the endpoint stays as it was")


def register_only(
    model_name: str, host: AnyHost, decision: PromotionDecision, run: str, approval: Approval | None
) -> Deployment:
    """The endpoint as it is: a version that the gate let through is candidate, and `approve` brings it live."""
    record, status = ZenmlRecord(model_name), open_endpoint(model_name, host).status()
    state, now, promoted = record.read(), datetime.now(UTC), decision.verdict is Verdict.PROMOTE
    champion = state.named(Alias.CHAMPION)
    message = "parameters.deploy is false, so the endpoint was left alone"
    if promoted:
        until = approval.until(now) if approval else None
        question = Question(asked=now, until=until, champion=decision.champion, run=run)
        words = _ask(record, state, decision, question).words(now)
        message = f"version {decision.version} {words}; {message}"
    return Deployment(
        outcome="registered" if promoted else "none",
        model=model_name,
        url=status.url,
        version=None,
        traffic=status.traffic,
        message=message,
        token_command=status.token_command,
        page=status.page,
        example=next(iter(champion.examples), None) if champion else None,
    )


def check_approval(model_name: str, version: str) -> bool:
    """Whether the version would go live by an approval; False: it is champion already.

    Raises:
        InputError: it may not be approved.
        EvergreenError: what its run left is gone.
    """
    state, now = ZenmlRecord(model_name).read(), datetime.now(UTC)
    registered = approvable(state, version, now)
    if registered is not None:
        _left(question_about(state, registered, now).run)
    return registered is not None


def approve(model_name: str, host: AnyHost, version: str, answer: Answer) -> Approved | None:
    """The version, approved; None: it is champion already. Who approves once more repeats the delivery alone.

    Raises:
        InputError: it may not be approved.
        BusyError: somebody else holds the lease.
        EvergreenError: what its run left is gone.
    """
    record = ZenmlRecord(model_name)
    with model_lease(lease_of(model_name, host), model_name, APPROVE, COMMAND_WAIT_S) as claim:
        state, _ = record.settle()
        registered = approvable(state, version, answer.at)
        if registered is None:
            return None
        question = question_about(state, registered, answer.at)
        decision, identity = _left(question.run)
        given = question.answer or answer
        if question.answer is None:
            claim.fence()
            record.note_question(version, question.model_copy(update={"answer": answer}))
    return Approved(version, given, _save(answered(decision, given)), identity)


def reject(model_name: str, host: AnyHost, version: str, answer: Answer) -> Answer:
    """What is recorded of the version: no run promotes it any more, nor another one of its recipe.

    Raises:
        InputError: it has been champion.
        BusyError: somebody else holds the lease.
    """
    record = ZenmlRecord(model_name)
    with model_lease(lease_of(model_name, host), model_name, REJECT, COMMAND_WAIT_S) as claim:
        state, _ = record.settle()
        question = question_about(state, rejectable(state, version), answer.at)
        known = question.answer
        given = known if known is not None and not known.approved else answer
        claim.fence()
        if given is answer:
            record.note_question(version, question.model_copy(update={"answer": answer}))
        if state.aliases.get(Alias.CANDIDATE) == version:
            record.move([SetAlias(alias=Alias.CANDIDATE, version=None)])
        with beside_the_point("what a mirror of the record lacks, which the next run repairs"):
            sync_mirrors(record, host)
    with beside_the_point("the page of the decision"):
        decision, _ = _left(question.run)
        _save(answered(decision, given))
    return given


def _ask(record: VersionRecord, state: RecordState, decision: PromotionDecision, question: Question) -> Question:
    """The question that stands; recorded where it is another one than before."""
    known = state.questions.get(decision.version)
    standing = question.after(known)
    if standing != known:
        record.note_question(decision.version, standing)
    return standing


def _save(decision: PromotionDecision) -> str:
    """The decision as an artifact with its page, by id."""
    return str(save_artifact(decision, DECISION[1]).id)


def _left(run: str) -> tuple[PromotionDecision, str]:
    """The decision of a run, and the id of its data's identity.

    Raises:
        EvergreenError: they are gone, or in the store of another stack.
    """
    try:
        steps = steps_of(Client().get_pipeline_run(run, allow_name_prefix_match=False))
        decision, identity = (steps[step].outputs[output][0] for step, output in (DECISION, IDENTITY))
    except (KeyError, IndexError) as error:
        raise EvergreenError(
            f"run {run}, by whose decision the version would go live, is gone; run the pipeline again, which asks anew"
        ) from error
    return read_artifact(decision, PromotionDecision), str(identity.id)
