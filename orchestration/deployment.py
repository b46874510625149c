"""Decisions carried out on the endpoint. The champion's alias moves only when its version carries all the traffic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from zenml.logger import get_logger

from evergreen.adapters.kinds import AnyHost
from evergreen.core.addresses import without_password
from evergreen.core.approval import Approval
from evergreen.core.artifacts import TrainedModel
from evergreen.core.candidates import is_approved, no_champion
from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.deployment import Deployment
from evergreen.core.errors import EvergreenError
from evergreen.core.fence import FencedEndpoint
from evergreen.core.lease import Claim, Lease, Rollout
from evergreen.core.protocols import Endpoint, VersionRecord
from evergreen.core.ramp import AT_ONCE, Ramp
from evergreen.core.rollout import Release, roll_out, smoke_test
from evergreen.core.versions import Alias, ModelVersion, RecordState, crown, roll_back
from evergreen.serving.contract import check_server
from orchestration.approval import APPROVE, REJECT, KeptBack, kept_back
from orchestration.artifacts import load_artifact
from orchestration.endpoints import lease_of, open_endpoint
from orchestration.engines import put_engines
from orchestration.judging import begun_before, judged
from orchestration.locks import COMMAND_WAIT_S, STEP_WAIT_S, model_lease
from orchestration.mirrors import sync_mirrors
from orchestration.record import ZenmlRecord
from orchestration.requests import forget_request

logger = get_logger(__name__)

ROLLBACK, TEARDOWN, STOP, DEPLOY, PARK = "rollback", "teardown", "stop", "deploy", "park"
COMMANDS = (ROLLBACK, TEARDOWN, STOP, DEPLOY, PARK, APPROVE, REJECT)
"""The commands as holders of the lease; a run holds it by its own name."""


def deploy_decision(
    model_name: str,
    host: AnyHost,
    decision: PromotionDecision,
    ramp: Ramp = AT_ONCE,
    run: str = "deploy",
    *,
    approval: Approval | None = None,
) -> Deployment:
    """The promoted version live and crowned, by way of the ramp; or, when it was kept out, the champion healed.

    A decision that was made against another champion than the present one is not carried out, nor one that a person
    has yet to approve, where `approval` asks for it. `run` is the name under which the lease is held. A parked endpoint
    is left alone, unless another version is to be put live.

    Raises:
        BusyError: somebody else held the lease all the time, or took it over; the traffic is left as it is.
    """
    record = ZenmlRecord(model_name)
    endpoint = open_endpoint(model_name, host)
    # takes its time and changes nothing: no one has to wait for it
    fetch = _test_newcomer(record, endpoint, decision, approval)
    with model_lease(lease_of(model_name, host), model_name, run, STEP_WAIT_S) as claim:
        state, _ = record.settle()
        champion = state.aliases.get(Alias.CHAMPION)
        promoted = decision.verdict is Verdict.PROMOTE
        back = kept_back(record, state, decision, run, approval)
        target = state.find(decision.version) if promoted and back is None else state.named(Alias.CHAMPION)
        if target is None:
            return _as_kept_back(_nothing_live(model_name, endpoint), back)
        if endpoint.status().parked:
            if target.version == champion:
                return _parked(model_name, endpoint, target, back)
            FencedEndpoint(endpoint, claim.fence).unpark()  # the newcomer is to follow what answers
        tested = fetch if target.version == decision.version else None
        release = _release(record.model, target, tested, ramp if target.version != champion else AT_ONCE)
        release, unjudged = judged(release, host, state)
        deployment = _bring_live(state, endpoint, claim, release, lambda: _crown(record, target, state))
        if unjudged is not None and back is None:
            deployment = deployment.model_copy(update={"message": f"{deployment.message} {unjudged}"})
        return _mirrored(record, host, _as_kept_back(deployment, back))


def _as_kept_back(deployment: Deployment, back: KeptBack | None) -> Deployment:
    """What there was before, where a version was kept back; that it could not be brought back is worse news."""
    if back is None:
        return deployment
    if deployment.outcome == "rolled_back":
        return deployment.model_copy(update={"message": f"{deployment.message}; {back.message}"})
    return deployment.model_copy(update=back._asdict())


def deploy_champion(model_name: str, host: AnyHost) -> Deployment:
    """The champion live with all the traffic, on an endpoint that was parked too; kept where it is.

    Raises:
        EvergreenError: there is no champion.
        BusyError: a run or another command is changing the endpoint, and went on doing so.
    """
    with model_lease(lease_of(model_name, host), model_name, DEPLOY, COMMAND_WAIT_S) as claim:
        record, endpoint = ZenmlRecord(model_name), open_endpoint(model_name, host)
        state, _ = record.settle()
        champion = state.named(Alias.CHAMPION)
        if champion is None:
            raise EvergreenError(no_champion(model_name, state, "deploy", datetime.now(UTC)))
        was_parked = endpoint.status().parked
        if was_parked:
            FencedEndpoint(endpoint, claim.fence).unpark()
        deployment = _bring_live(state, endpoint, claim, _release(model_name, champion), lambda: None)
        if was_parked and deployment.outcome == "kept":
            deployment = deployment.model_copy(update={"message": f"version {champion.version} is back from parking."})
            smoke_test(endpoint, champion.examples, None)  # which the idle guard sees where the log has it
        return _mirrored(record, host, deployment)


def _crown(record: VersionRecord, target: ModelVersion, before: RecordState) -> None:
    """Records the version as champion, in the record that was in state `before` when the rollout began.

    Raises:
        EvergreenError: a rollback withdrew it meanwhile, or the record cannot be written.
    """
    state = record.read()
    if target.version in set(state.rolled_back) - set(before.rolled_back):
        raise EvergreenError(f"version {target.version} was withdrawn by a rollback meanwhile")
    try:
        record.move(crown(state, target.version))
    except Exception:  # written, perhaps, and only the answer was lost: endpoint and record have to agree
        if record.read().aliases.get(Alias.CHAMPION) != target.version:
            raise
        logger.warning("recording champion %s ended in an error, but it is recorded", target.version, exc_info=True)


def roll_back_champion(model_name: str, host: AnyHost) -> Deployment:
    """The previous champion back at 100 % of the traffic; the two change places, so a second call undoes the first.

    A call that follows one that was cut off finishes it. While another version has traffic, on its canary or left by a
    run that was cut off, that version is withdrawn and the champion has all the traffic again. A run that is at its
    rollout loses the lease to it, and changes nothing any more; another rollback, or a teardown, is waited for.

    Raises:
        EvergreenError: there is no previous champion, or it does not come up.
    """
    with model_lease(lease_of(model_name, host), model_name, ROLLBACK, COMMAND_WAIT_S, _rolls_out) as claim:
        record = ZenmlRecord(model_name)
        endpoint = open_endpoint(model_name, host)
        state, finished = record.settle()
        if endpoint.status().parked:
            FencedEndpoint(endpoint, claim.fence).unpark()
        target, on_live = _rollback(record, endpoint, state, finished=finished)
        deployment = _bring_live(state, endpoint, claim, _release(record.model, target), on_live)
        if deployment.outcome == "rolled_back":
            raise EvergreenError(f"rollback to {target.version} failed: {deployment.message}")
        record.settle()  # endpoint and champion agree by now: what fails here, the next call finishes
        return _mirrored(record, host, deployment)


def _rolls_out(lease: Lease) -> bool:
    """Whether a run holds the lease for its rollout, which a person may overrule at once."""
    run = lease.holder.run if lease.holder else None
    return run not in COMMANDS and lease.rollout is not None and lease.rollout.run == run


def tear_down(model_name: str, host: AnyHost) -> str | None:
    """Stops and deletes the model's endpoint; what that was, in words. None: there was none.

    Raises:
        BusyError: a run or another command is changing it, and went on doing so.
    """
    with model_lease(lease_of(model_name, host), model_name, TEARDOWN, COMMAND_WAIT_S) as claim:
        ended = FencedEndpoint(open_endpoint(model_name, host), claim.fence).delete()
        claim.note(None)
        forget_request(model_name)
        return ended


def _rollback(
    record: VersionRecord, endpoint: Endpoint, state: RecordState, *, finished: bool
) -> tuple[ModelVersion, Callable[[], None]]:
    """The version to go back to, and what records that; nothing where one that was cut off is `finished` now."""
    champion = state.named(Alias.CHAMPION)
    if finished and champion is not None:
        return champion, lambda: None
    intruders = _intruders(endpoint, state)
    if intruders and champion is not None:
        return champion, lambda: _withdraw(record, intruders, state)
    withdrawn, target = roll_back(state)
    return target, lambda: record.exchange(withdrawn.version, target.version)


def _intruders(endpoint: Endpoint, state: RecordState) -> list[str]:
    """Versions with traffic that are neither champion nor previous."""
    named = {state.aliases.get(Alias.CHAMPION), state.aliases.get(Alias.PREVIOUS)}
    return [version for version, share in endpoint.status().traffic.items() if share and version not in named]


def _withdraw(record: VersionRecord, versions: Sequence[str], state: RecordState) -> None:
    """Notes that the versions were withdrawn by hand."""
    for version in versions:
        if state.find(version):
            record.mark_rolled_back(version, True)


def _bring_live(
    state: RecordState, endpoint: Endpoint, claim: Claim, release: Release, on_live: Callable[[], None]
) -> Deployment:
    """Rolls the version out, beside the champion that it follows or, of a champion, the previous one.

    What there was before is noted with the lease until that is done: who stops the run, or finds it dead, can undo it.
    """
    champion = state.aliases.get(Alias.CHAMPION)
    previous = state.aliases.get(Alias.PREVIOUS)
    kept = champion if champion != release.version else previous
    release = replace(
        release,
        champion=champion if champion != release.version else None,
        proven=release.version in (champion, previous),
    )
    run, before = claim.holder.run, endpoint.status()
    noted = Rollout(run=run, version=release.version, champion=release.champion, before=before)
    begun = begun_before(claim.rollout, noted)
    release = replace(
        release, begun=begun, note=lambda shares: claim.note(noted.model_copy(update={"transitions": shares}))
    )
    claim.note(noted.model_copy(update={"transitions": begun}))

    def recorded() -> None:
        claim.fence()
        on_live()

    deployment = roll_out(FencedEndpoint(endpoint, claim.fence), release, previous=kept, on_live=recorded)
    claim.note(None)
    return deployment


def _release(
    model: str, target: ModelVersion, fetch: Callable[[], Path] | None = None, ramp: Ramp = AT_ONCE
) -> Release:
    """The version to put live; where `fetch` is not given, one that tests it when the endpoint lacks it."""
    fetch = fetch or (lambda: _tested_model(target))
    return Release(model=model, version=target.version, fetch=fetch, smoke=target.examples, ramp=ramp)


def _tested_model(target: ModelVersion) -> Path:
    """The trained-model directory of a version whose server passed the contract test in this process's environment."""
    model_dir = load_artifact(target.artifact, TrainedModel).path
    put_engines(target, model_dir)
    check_server(model_dir, target.examples)
    return model_dir


def _test_newcomer(
    record: VersionRecord, endpoint: Endpoint, decision: PromotionDecision, approval: Approval | None
) -> Callable[[], Path] | None:
    """What gives the promoted version once it is tested, or raises why it failed; None: nothing to test, or not yet."""
    if decision.verdict is not Verdict.PROMOTE:
        return None
    state = record.read()
    target, waits = state.find(decision.version), approval is not None and not is_approved(state, decision)
    if target is None or waits or target.version in endpoint.status().traffic:
        return None
    tested: Future[Path] = Future()
    try:
        tested.set_result(_tested_model(target))
    except EvergreenError as error:  # the rollout tells it and leaves the endpoint as it was
        tested.set_exception(error)
    return tested.result


def _mirrored(record: VersionRecord, host: AnyHost, deployment: Deployment) -> Deployment:
    """The deployment, once the mirrors follow; one that does not is told in its message.

    Endpoint and record have moved by now, so this is no failure: whoever repeated a rollback would undo it.
    """
    try:
        sync_mirrors(record, host)
    except Exception as error:  # whatever a mirror's library raises
        logger.debug("a mirror lags behind", exc_info=True)
        reason = without_password(str(error).strip() or type(error).__name__)
        warning = f"warning: a mirror of the record lags behind, the next run repairs it ({reason})"
        return deployment.model_copy(update={"message": f"{deployment.message} {warning}"})
    return deployment


def _nothing_live(model_name: str, endpoint: Endpoint) -> Deployment:
    status = endpoint.status()
    return Deployment(
        outcome="none",
        model=model_name,
        url=status.url,
        version=None,
        traffic=status.traffic,
        message="no version has passed the gate yet, so there is nothing to serve",
        token_command=status.token_command,
        page=status.page,
    )


def _parked(model_name: str, endpoint: Endpoint, champion: ModelVersion, back: KeptBack | None) -> Deployment:
    status = endpoint.status()
    parked = f"the endpoint is parked, and stays so; run.py deploy brings version {champion.version} back."
    return Deployment(
        outcome=back.outcome if back else "kept",
        model=model_name,
        url=status.url,
        version=champion.version,
        traffic=status.traffic,
        message=f"{back.message}; {parked}" if back else parked,
        token_command=status.token_command,
        page=status.page,
        example=champion.examples[0] if champion.examples else None,
    )
