"""Puts a version live without taking the endpoint down, or leaves the endpoint as it was.

upload → deploy at 0 % → smoke test → 100 % → smoke test by the public route → undeploy what is older than the previous
version. Works through the `Endpoint` protocol alone, so the local endpoint and Vertex AI share it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evergreen.core.errors import EndpointError, EvergreenError
from evergreen.core.protocols import Endpoint
from evergreen.core.reports import Deployment, EndpointStatus

ALL_TRAFFIC = 100


@dataclass(frozen=True)
class Release:
    """The version of `model` to put live; `smoke` are instances that it must answer before it gets traffic."""

    model: str
    version: str
    model_dir: Path
    smoke: Sequence[Any]


def roll_out(endpoint: Endpoint, release: Release, previous: str | None) -> Deployment:
    """What the endpoint serves afterwards.

    `live`: the version got all traffic now, or its lost workers were restored. `kept`: it had all traffic and answered.
    `rolled_back`: it failed, the saved split is back and the newcomer gone; `message` says why. `previous` is the
    version kept beside it for a rollback; other idle versions are undeployed.

    Raises:
        EndpointError: a version that already had all traffic cannot be restored, or the saved split cannot be.
    """
    before = endpoint.status()
    if before.traffic.get(release.version) == ALL_TRAFFIC:
        return _keep_live(endpoint, release, before, previous)
    try:
        _replace(endpoint, release, before)
    except EvergreenError as error:
        _restore(endpoint, release, before, error)
        message = f"version {release.version} was not put live: {error}; {_served(before)}"
        return _deployment(endpoint, release, "rolled_back", message)
    except BaseException as interruption:
        _restore(endpoint, release, before, interruption)
        raise
    notes = _tidy(endpoint, {release.version, previous})
    return _deployment(endpoint, release, "live", " ".join([f"version {release.version} serves all traffic.", *notes]))


def smoke_test(endpoint: Endpoint, instances: Sequence[Any], version: str | None) -> None:
    """Asks one deployed version, or the public route (None), for predictions.

    Raises:
        EndpointError: it does not answer each instance with one JSON object of finite numbers.
    """
    predictions = endpoint.predict(instances, version=version)
    asked = f"version {version}" if version else "the endpoint"
    if len(predictions) != len(instances):
        raise EndpointError(f"{asked} gave {len(predictions)} predictions for {len(instances)} instances")
    for index, prediction in enumerate(predictions):
        if not isinstance(prediction, dict) or not prediction:
            raise EndpointError(f"{asked} answered instances[{index}] with {prediction!r}, not with a JSON object")
        try:
            json.dumps(prediction, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise EndpointError(f"{asked} answered instances[{index}] with {prediction!r}: {error}") from error


def _keep_live(endpoint: Endpoint, release: Release, before: EndpointStatus, previous: str | None) -> Deployment:
    """Changes nothing when the version answers, restores its workers otherwise."""
    if release.version in before.ready and before.url is not None:
        notes = _tidy(endpoint, {release.version, previous})
        message = " ".join([f"version {release.version} already serves all traffic.", *notes])
        return _deployment(endpoint, release, "kept", message)
    endpoint.upload(release.version, release.model_dir)
    endpoint.deploy(release.version)
    smoke_test(endpoint, release.smoke, None)
    return _deployment(endpoint, release, "live", f"version {release.version} had lost its workers and serves again.")


def _replace(endpoint: Endpoint, release: Release, before: EndpointStatus) -> None:
    """Heals the incumbents first, so that the saved split is worth returning to; a newcomer may replace a dead one."""
    for version, percent in before.traffic.items():
        if percent and version not in before.ready:
            with suppress(EndpointError):
                endpoint.deploy(version)
    endpoint.upload(release.version, release.model_dir)
    endpoint.deploy(release.version)
    smoke_test(endpoint, release.smoke, release.version)
    endpoint.set_traffic({release.version: ALL_TRAFFIC})
    smoke_test(endpoint, release.smoke, None)


def _restore(endpoint: Endpoint, release: Release, before: EndpointStatus, cause: BaseException) -> None:
    """Returns the saved split and undeploys the newcomer, unless it was deployed before."""
    try:
        now = endpoint.status()
        if _shares(now) != _shares(before):
            if not _shares(before):
                endpoint.delete()
                return
            endpoint.set_traffic(_shares(before))
        if release.version in _deployed(now) - _deployed(before):
            endpoint.undeploy(release.version)
    except EvergreenError as error:
        raise EndpointError(
            f"version {release.version} failed ({cause}) and the endpoint could not be set back to "
            f"{_shares(before)}: {error}; look at `status`, then run the pipeline again"
        ) from error


def _tidy(endpoint: Endpoint, keep: set[str | None]) -> list[str]:
    """Undeploys idle versions not to be kept; what would not go is told, not raised: the live version is well."""
    notes = []
    status = endpoint.status()
    for version in sorted(_deployed(status) - keep - _shares(status).keys()):
        try:
            endpoint.undeploy(version)
        except EndpointError as error:
            notes.append(f"version {version} could not be undeployed: {error}.")
    return notes


def _deployed(status: EndpointStatus) -> set[str]:
    return {*status.traffic, *status.ready}


def _shares(status: EndpointStatus) -> dict[str, int]:
    """The versions with traffic."""
    return {version: percent for version, percent in status.traffic.items() if percent}


def _served(before: EndpointStatus) -> str:
    shares = _shares(before)
    if not shares:
        return "nothing was live before"
    return "still live: " + ", ".join(f"{version} {percent} %" for version, percent in shares.items())


def _deployment(
    endpoint: Endpoint, release: Release, outcome: Literal["live", "kept", "rolled_back"], message: str
) -> Deployment:
    status = endpoint.status()
    shares = _shares(status)
    return Deployment(
        outcome=outcome,
        model=release.model,
        url=status.url,
        version=max(shares, key=shares.__getitem__, default=None),
        traffic=dict(status.traffic),
        message=message,
    )
