"""What a rollout is judged by: the host's request log, the evaluation of the newcomer, rows that its version keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from zenml.logger import get_logger

from evergreen.adapters.kinds import AnyHost
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.deployment import Transition
from evergreen.core.engines import KEPT_INPUTS_NAME, Engines
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.expected import expected_of
from evergreen.core.judge.settings import Expected
from evergreen.core.judging import Judging
from evergreen.core.lease import Rollout
from evergreen.core.members import host_of
from evergreen.core.protocols import RequestLog
from evergreen.core.replay import Replay
from evergreen.core.report import EvaluationReport
from evergreen.core.rollout import Release
from evergreen.core.versions import Alias, ModelVersion, RecordState
from evergreen.requestlog.evidence import LogWitness
from orchestration.artifacts import load_artifact
from orchestration.endpoints import state_directory

logger = get_logger(__name__)

KEPT_FOR = timedelta(days=1)
MOST_INPUTS = 200


def judged(release: Release, host: AnyHost, state: RecordState) -> tuple[Release, str | None]:
    """The release as its ramp is to be judged, and why it is not, where it is to be; None: nothing is to be said."""
    rules, champion = release.ramp.judge, state.named(Alias.CHAMPION)
    target = state.find(release.version)
    if rules is None or not release.ramp.shares or champion is None or target is None:
        return release, None
    home = host_of(host)
    try:
        log = home.request_log(release.model, state_directory())
    except InputError as error:
        return release, f"It was not judged on its ramp, only asked whether it answers: {error}."
    judging = Judging(
        rules=rules,
        champion=champion.version,
        witness=LogWitness(log),
        replay=partial(_replay, target, champion.version, log),
        expected=_expected(target, champion.version).model_copy(update={"lone_slowdown": home.lone_slowdown}),
    )
    return replace(release, judging=judging), None


def begun_before(noted: Rollout | None, now: Rollout) -> tuple[Transition, ...]:
    """The shares of the same version's ramp beside the same champion, which a run that was cut off left noted."""
    same = noted is not None and (noted.version, noted.champion) == (now.version, now.champion)
    return noted.transitions if noted is not None and same else ()


def _expected(target: ModelVersion, champion: str) -> Expected:
    """What the evaluation saw; nothing where its report is gone: the judge tolerates the less."""
    try:
        return expected_of(load_artifact(target.report, EvaluationReport), champion)
    except EvergreenError:
        return Expected()


def _replay(target: ModelVersion, champion: str, log: RequestLog) -> Replay:
    """Inputs of the champion's last requests where the log keeps them, else the rows that the version keeps."""
    inputs, damaged = _logged(log, champion) if log.keeps_inputs else ([], 0)
    lost = f" ({damaged} logged inputs were damaged, and are left out)" if damaged else ""
    if inputs:
        return Replay(inputs, f"{len(inputs)} logged inputs{lost}")
    rows = [*target.examples, *_kept(target)]
    return Replay(rows, f"{len(rows)} kept rows of its test and validation split{lost}")


def _logged(log: RequestLog, version: str) -> tuple[list[Any], int]:
    """Inputs of the last days, as the log's hook left them, and how many are no JSON; none where it cannot be read."""
    end, inputs, damaged = datetime.now(UTC), [], 0
    try:
        for text in _inputs(log, ResolvedWindow(start=end - KEPT_FOR, end=end), version):
            try:
                inputs.append(json.loads(text))
            except ValueError:
                damaged += 1
            if len(inputs) == MOST_INPUTS:
                break
    except EvergreenError:
        return [], damaged
    return inputs, damaged


def _inputs(log: RequestLog, window: ResolvedWindow, version: str) -> Iterator[str]:
    for batch in log.read(window):
        for row in batch.select(["version", "input"]).to_pylist():
            if row["version"] == version and row["input"] is not None:
                yield row["input"]


def _kept(target: ModelVersion) -> Sequence[Any]:
    """The inputs by which its engines are compared; none where it has none."""
    if target.engines is None:
        return ()
    try:
        kept = load_artifact(target.engines, Engines).path / KEPT_INPUTS_NAME
        return list(json.loads(kept.read_bytes())) if kept.exists() else ()
    except EvergreenError:
        return ()
    except ValueError:
        logger.warning("the inputs that version %s keeps are damaged: its examples alone are replayed", target.version)
        return ()
