"""Decisions carried out on the endpoint. The champion's alias moves only when its version carries all the traffic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zenml.config.global_config import GlobalConfiguration

from evergreen.adapters.hosts import AnyHost
from evergreen.core.errors import EvergreenError
from evergreen.core.protocols import Endpoint
from evergreen.core.reconcile import SetAlias, crown, roll_back
from evergreen.core.reports import Deployment, PromotionDecision, Verdict
from evergreen.core.rollout import Release, roll_out
from evergreen.core.versions import Alias, ModelVersion
from evergreen.serving.contract import check_server
from orchestration.locks import model_lock
from orchestration.mirrors import sync_mirrors
from orchestration.record import ZenmlRecord


def state_directory() -> Path:
    """Where hosts of this machine keep their state: ZenML's configuration directory."""
    return Path(GlobalConfiguration().config_directory) / "evergreen"


def open_endpoint(model_name: str, host: AnyHost) -> Endpoint:
    """The live endpoint of a model."""
    return host.open(model_name, state_directory())


def deploy_decision(model_name: str, host: AnyHost, decision: PromotionDecision, examples: Sequence[Any]) -> Deployment:
    """The promoted version live and crowned; or, when the gate kept it out, the champion as it was, healed.

    `examples` are instances that a version must answer before it gets traffic.
    """
    with model_lock(state_directory(), model_name):
        record = ZenmlRecord(model_name)
        state = record.read()
        promoted = decision.verdict is Verdict.PROMOTE
        target = state.find(decision.version) if promoted else state.named(Alias.CHAMPION)
        endpoint = open_endpoint(model_name, host)
        if target is None:
            return _nothing_live(model_name, endpoint)
        deployment = _bring_live(record, endpoint, target, examples)
        if promoted and deployment.outcome != "rolled_back":
            _move(record, crown(state, target.version))
        sync_mirrors(record)
        return deployment


def roll_back_champion(model_name: str, host: AnyHost) -> Deployment:
    """The previous champion back at 100 % of the traffic; the two change places, so a second call undoes the first.

    Raises:
        EvergreenError: there is no previous champion, or it does not come up.
    """
    with model_lock(state_directory(), model_name):
        record = ZenmlRecord(model_name)
        state = record.read()
        moves = roll_back(state)
        target, withdrawn = state.named(Alias.PREVIOUS), state.named(Alias.CHAMPION)
        if target is None or withdrawn is None:
            raise EvergreenError(f"model '{model_name}' has no two champions to exchange; look at `run.py status`")
        deployment = _bring_live(record, open_endpoint(model_name, host), target, ())
        if deployment.outcome == "rolled_back":
            raise EvergreenError(f"rollback to {target.version} failed: {deployment.message}")
        _move(record, moves)
        record.mark_rolled_back(withdrawn.version, True)
        record.mark_rolled_back(target.version, False)
        sync_mirrors(record)
        return deployment


def _bring_live(record: ZenmlRecord, endpoint: Endpoint, target: ModelVersion, examples: Sequence[Any]) -> Deployment:
    """Rolls the version out; one that does not run yet first passes the contract test of its exact server."""
    model_dir = record.load_model(target).path
    if examples and target.version not in endpoint.status().ready:
        check_server(model_dir, examples)
    state = record.read()
    champion = state.aliases.get(Alias.CHAMPION)
    kept = champion if champion != target.version else state.aliases.get(Alias.PREVIOUS)
    release = Release(model=record.model, version=target.version, model_dir=model_dir, smoke=examples)
    return roll_out(endpoint, release, previous=kept)


def _move(record: ZenmlRecord, moves: Sequence[SetAlias]) -> None:
    for move in moves:
        record.set_alias(move.alias, move.version)


def _nothing_live(model_name: str, endpoint: Endpoint) -> Deployment:
    status = endpoint.status()
    return Deployment(
        outcome="none",
        model=model_name,
        url=status.url,
        version=None,
        traffic=status.traffic,
        message="no version has passed the gate yet, so there is nothing to serve",
    )
