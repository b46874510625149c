"""Puts a version live without taking the endpoint down, or leaves the endpoint as it was.

fetch → upload → deploy at 0 % → smoke test → copies of requests, where configured → each share of the ramp → 100 %, for
each the replicas first → smoke test by the public route → `on_live` → undeploy what is older than the previous version.
Works through the `Endpoint` protocol alone: the local endpoint and Vertex AI share it.

A version with all the traffic whose code is outdated is *renewed* instead: a successor starts beside it, is asked, and
gets the traffic. Nothing else renews: a canary, a rollback and a restore take the others as they answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from evergreen.core.climb import CHECK_S, Climb, Note
from evergreen.core.deployment import Deployment, EndpointStatus, Transition
from evergreen.core.errors import EndpointError, EvergreenError
from evergreen.core.judging import Hearing, Judging
from evergreen.core.lease import LeaseLostError
from evergreen.core.protocols import Endpoint
from evergreen.core.ramp import ALL_TRAFFIC, AT_ONCE, Ramp, split_at
from evergreen.core.replicas import Room, relax
from evergreen.core.shadowing import ShadowPhase


@dataclass(frozen=True)
class Release:
    """The version of `model` to put live.

    `fetch` gives its trained-model directory, fit to be served; it is called only when the endpoint lacks the version.
    `smoke` are instances that the version must answer before it gets traffic; ValueError when there are none.
    `ramp` are the shares of the traffic that it gets first, where another version is there to take the rest.
    `champion` is the version that the record names, when it is another: what a run that was cut off on its ramp left to
    a third version goes back to the champion.
    `proven`: it has had all the traffic before, so while it is ready it is asked by the public route alone, which no
    host needs another machine for. Without a ramp it also waits for no replicas: what it takes the traffic from is not
    to have it a minute longer.
    `judging` is what it is judged by at each share (None: it only has to answer); `begun` are the shares that it had on
    this ramp before it was cut off, `note` keeps all of them before the traffic moves.
    """

    model: str
    version: str
    fetch: Callable[[], Path]
    smoke: Sequence[Any]
    ramp: Ramp = AT_ONCE
    champion: str | None = None
    proven: bool = False
    judging: Judging | None = None
    begun: tuple[Transition, ...] = ()
    note: Note = lambda _: None

    def __post_init__(self) -> None:
        if not self.smoke:
            raise ValueError(f"version {self.version} has no smoke instances; give at least one that it must answer")


class TrafficMovedError(EndpointError):
    """Somebody else moved the traffic during a rollout; what they chose is kept."""


def roll_out(endpoint: Endpoint, release: Release, previous: str | None, on_live: Callable[[], None]) -> Deployment:
    """What the endpoint serves afterwards.

    `live`: the version got all traffic now, or its lost or outdated workers were replaced. `kept`: it had all traffic
    and answers.
    `rolled_back`: an EvergreenError kept it out, the saved split is back and the newcomer gone; `message` says why.
    When somebody else moved the traffic meanwhile, as a rollback by hand does, their split stays instead.
    `previous` is the version kept beside it for a rollback; other idle versions are undeployed.

    `on_live` is called once, as soon as the version has all the traffic and answers, before older versions are tidied
    away: whatever ends the run afterwards, endpoint and record name the same version. What it raises undoes the switch.

    Raises:
        EndpointError: the endpoint cannot be asked, or the saved split cannot be restored.
        LeaseLostError: somebody else may move the traffic now; it is left as it is.
    """
    with suppress(EndpointError):  # what is left stands by without traffic; the next rollout tries again
        endpoint.clear()
    before = endpoint.status()
    had_all = before.traffic.get(release.version) == ALL_TRAFFIC
    outdated = had_all and release.version in before.outdated
    if had_all and not outdated and _answers(before, release.version):
        on_live()
        return _tidied(endpoint, release, previous, "kept", "already serves all traffic")
    climb = Climb(release.ramp.hold_s, release.begun, release.note)
    shadow = ShadowPhase(endpoint, release.version, release.ramp.shadow)
    try:
        if outdated:
            _renew(endpoint, release, before)
        else:
            _bring_live(endpoint, release, before, climb, shadow)
        on_live()
    except LeaseLostError:
        raise  # whoever holds the lease now decides on the traffic
    except BaseException as error:
        restore(endpoint, release.version, release.champion, before, error)
        if not isinstance(error, EvergreenError):
            raise
        status = endpoint.status()
        failed = "could not be brought back" if had_all else "was not put live"
        if outdated and _answers(status, release.version):
            failed = "could not be renewed and serves on with older code"
        message = f"version {release.version} {failed}: {error}; {_served(status)}"
        return shadow.told(climb.told_in(_deployment(release, status, "rolled_back", message)))
    how = "had lost its workers and serves again" if had_all else "serves all traffic"
    how = "ran older code and was renewed" if outdated else how
    return shadow.told(climb.told_in(_tidied(endpoint, release, previous, "live", how)))


def smoke_test(endpoint: Endpoint, instances: Sequence[Any], version: str | None) -> None:
    """Asks one deployed version, or the public route (None), for predictions, as no traffic.

    Raises:
        EndpointError: it does not answer each instance with one JSON object of finite numbers.
    """
    predictions = endpoint.predict(instances, version, logged=False)
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


def _bring_live(
    endpoint: Endpoint, release: Release, before: EndpointStatus, climb: Climb, shadow: ShadowPhase
) -> None:
    """Heals what has traffic first, so that the saved split is worth a return; a newcomer may replace a dead one."""
    _heal(endpoint, before, _shares(before).keys() - {release.version})
    _deploy(endpoint, release, before)
    if not (release.proven and release.version in before.ready):
        smoke_test(endpoint, release.smoke, release.version)
    shadow.run(lambda status: _require(status, _shares(before)))
    split = _ramp_up(endpoint, release, _shares(before), climb)
    _require(endpoint.status(), split)
    endpoint.set_traffic({release.version: ALL_TRAFFIC})
    smoke_test(endpoint, release.smoke, None)


def _renew(endpoint: Endpoint, release: Release, before: EndpointStatus) -> None:
    """Gives the traffic of an outdated version to its successor, once that was asked; a dead one serves again first."""
    _heal(endpoint, before, [release.version])
    endpoint.upload(release.version, release.fetch())
    endpoint.renew(release.version)
    smoke_test(endpoint, release.smoke, release.version)
    _await(Room(endpoint, release.version, ALL_TRAFFIC).is_there, lambda: _require(endpoint.status(), _shares(before)))
    _require(endpoint.status(), _shares(before))
    endpoint.switch(release.version)
    smoke_test(endpoint, release.smoke, None)


def _require(status: EndpointStatus, split: Mapping[str, int]) -> None:
    """Returns while the traffic is as this rollout left it. Raises TrafficMovedError otherwise."""
    if (shares := _shares(status)) != split:
        raise TrafficMovedError(f"the traffic was moved to {shares} meanwhile, it had been {dict(split)}; run again")


def _ramp_up(endpoint: Endpoint, release: Release, split: dict[str, int], climb: Climb) -> dict[str, int]:
    """Gives the version each share of the ramp above its own, where another version answers the rest of the requests.

    `split` is the traffic by now; the answer is what it is afterwards. For each share, and for all the traffic then, it
    has the replicas first, and is watched at the share that it has until they are there.
    """
    now = endpoint.status()
    _require(now, split)
    saved = _saved(now, release.champion)
    others = {version: share for version, share in saved.items() if version in now.ready}
    others.pop(release.version, None)
    has = now.traffic.get(release.version, 0)
    hearing = _hearing(endpoint, release, others)
    steps = [*(share for share in release.ramp.shares if share >= has), ALL_TRAFFIC] if others else []
    if steps and steps[0] > has:
        _await(_room(endpoint, release, steps[0]), partial(_watch, endpoint, release, split))
    for share, following in pairwise(steps):
        split = {version: percent for version, percent in split_at(others, release.version, share).items() if percent}
        climb.enter(share, has)
        endpoint.set_traffic(split)
        ask = partial(smoke_test, endpoint, release.smoke, None)
        climb.hold(ask, partial(_watch, endpoint, release, split), hearing, _room(endpoint, release, following))
    return split


def _room(endpoint: Endpoint, release: Release, percent: int) -> Callable[[], bool]:
    """Asks for the replicas that the percent takes, and tells whether they are there."""
    if release.proven and not release.ramp.shares:
        return lambda: True
    return Room(endpoint, release.version, percent).is_there


def _await(room: Callable[[], bool], watch: Callable[[], None]) -> None:
    """Returns once there is room; `watch` raises where there is no sense in it any more."""
    while not room():
        time.sleep(CHECK_S)
        watch()


def _hearing(endpoint: Endpoint, release: Release, others: Mapping[str, int]) -> Hearing | None:
    """What judges the version beside a champion that answers; None where there is nothing to hold it against."""
    judging = release.judging
    if judging is None or judging.champion not in others:
        return None
    return Hearing(judging, release.version, release.ramp.hold_s, endpoint.predict)


def _watch(endpoint: Endpoint, release: Release, split: Mapping[str, int]) -> None:
    """Returns while the version is ready and the traffic as this rollout left it."""
    status = endpoint.status()
    _require(status, split)
    if release.version not in status.ready:
        raise EndpointError(f"it stopped answering at {split.get(release.version, 0)} % of the traffic")


def _heal(endpoint: Endpoint, status: EndpointStatus, versions: Iterable[str]) -> None:
    """Starts again those of the versions that do not answer; one that will not come up is left as it is."""
    for version in versions:
        if version not in status.ready:
            with suppress(EndpointError):
                endpoint.deploy(version)


def _deploy(endpoint: Endpoint, release: Release, before: EndpointStatus) -> None:
    """Starts the version; one that was deployed usually still has its files there."""
    if release.version in _deployed(before):
        with suppress(EndpointError):
            endpoint.deploy(release.version)
            return
    endpoint.upload(release.version, release.fetch())
    endpoint.deploy(release.version)


def restore(
    endpoint: Endpoint, version: str, champion: str | None, before: EndpointStatus, cause: BaseException
) -> None:
    """Returns the saved split, or keeps the one that somebody else chose, and undeploys an idle newcomer or successor.

    `version` is the newcomer, `champion` as in its Release, `before` what ran when its rollout began.

    Raises:
        EndpointError: it cannot be set back.
    """
    saved = _saved(before, champion)
    try:
        now = endpoint.status()
        if isinstance(cause, TrafficMovedError):
            saved = _shares(now)
        moved = _shares(now) != saved
        if moved and not saved and _deployed(before) <= {version}:
            endpoint.delete()  # the very first version failed: no other was ever here
            return
        _heal(endpoint, now, saved.keys() & set(before.ready))
        if moved:
            endpoint.set_traffic(saved)
        stood_by = version in _deployed(before) - (_shares(before).keys() - saved.keys())
        if version in _deployed(now) - saved.keys() and not stood_by:
            endpoint.undeploy(version)
        with suppress(EndpointError):  # the traffic is right; the next rollout tries again
            endpoint.clear()
        with suppress(EndpointError):
            relax(endpoint)
    except LeaseLostError:
        raise
    except EvergreenError as error:
        raise EndpointError(
            f"version {version} failed ({cause}) and the endpoint could not be set back to "
            f"{saved}: {error}; look at `status`, then run the pipeline again"
        ) from error


def _tidied(
    endpoint: Endpoint, release: Release, previous: str | None, outcome: Literal["live", "kept"], how: str
) -> Deployment:
    """Undeploys idle versions not to be kept; what would not go is told, not raised: the live version is well."""
    notes = [f"version {release.version} {how}."]
    status = endpoint.status()
    for version in sorted(_deployed(status) - {release.version, previous} - _shares(status).keys()):
        try:
            endpoint.undeploy(version)
        except EvergreenError as error:
            notes.append(f"version {version} could not be undeployed: {error}.")
    try:
        relax(endpoint)
    except EvergreenError as error:
        notes.append(f"autoscaling keeps more replicas than configured: {error}.")
    try:
        endpoint.offer(release.version, release.smoke)
    except EvergreenError as error:
        notes.append(f"its page offers no examples: {error}.")
    return _deployment(release, endpoint.status(), outcome, " ".join(notes))


def _saved(status: EndpointStatus, champion: str | None) -> dict[str, int]:
    """The split to return to: the present one, or all to the champion that shares it since a ramp was cut off."""
    shares = _shares(status)
    return {champion: ALL_TRAFFIC} if champion in shares else shares


def _deployed(status: EndpointStatus) -> set[str]:
    return {*status.traffic, *status.ready}


def _shares(status: EndpointStatus) -> dict[str, int]:
    """The versions with traffic."""
    return {version: percent for version, percent in status.traffic.items() if percent}


def _answers(status: EndpointStatus, version: str) -> bool:
    return status.url is not None and version in status.ready


def _served(status: EndpointStatus) -> str:
    shares = ", ".join(
        f"{version} {percent} %" + ("" if _answers(status, version) else " (does not answer)")
        for version, percent in _shares(status).items()
    )
    return f"traffic as before: {shares}" if shares else "nothing was live before"


def _deployment(
    release: Release, status: EndpointStatus, outcome: Literal["live", "kept", "rolled_back"], message: str
) -> Deployment:
    shares = _shares(status)
    return Deployment(
        outcome=outcome,
        model=release.model,
        url=status.url,
        version=max(shares, key=shares.__getitem__, default=None),
        traffic=dict(status.traffic),
        message=message,
        token_command=status.token_command,
        page=status.page,
        example=release.smoke[0] if release.smoke else None,
        tried=release.version,
    )
