"""Rolls a version out on Vertex AI, and dies by SIGKILL right after its n-th change of endpoint or record.

`python -m tests.mortal_rollout HOST VERSION MODEL_DIR RECORD CHANGES`: host as JSON, record a JSON file of aliases.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.answers import Predictions
from evergreen.core.deployment import Deployment, EndpointStatus
from evergreen.core.protocols import Endpoint
from evergreen.core.ramp import Ramp
from evergreen.core.rollout import Release, roll_out
from evergreen.core.shadow import Shadow
from tests.endpoint_contract import GOOD

NEVER = -1


class Mortality:
    """Ends the process after so many changes."""

    def __init__(self, changes: int) -> None:
        self._left = changes

    def changed(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalEndpoint:
    """An `Endpoint` whose changes are counted."""

    def __init__(self, endpoint: Endpoint, mortality: Mortality) -> None:
        self._endpoint = endpoint
        self._mortality = mortality

    def upload(self, version: str, model_dir: Path) -> None:
        self._endpoint.upload(version, model_dir)
        self._mortality.changed()

    def offer(self, version: str, examples: Sequence[Mapping[str, Any]]) -> None:
        self._endpoint.offer(version, examples)

    def deploy(self, version: str) -> None:
        self._endpoint.deploy(version)
        self._mortality.changed()

    def renew(self, version: str) -> None:
        self._endpoint.renew(version)
        self._mortality.changed()

    def switch(self, version: str) -> None:
        self._endpoint.switch(version)
        self._mortality.changed()

    def clear(self) -> None:
        self._endpoint.clear()

    def set_traffic(self, traffic: Mapping[str, int]) -> None:
        self._endpoint.set_traffic(traffic)
        self._mortality.changed()

    def scale(self, version: str, replicas: int | None) -> bool:
        return self._endpoint.scale(version, replicas)

    def park(self) -> None:
        self._endpoint.park()

    def unpark(self) -> None:
        self._endpoint.unpark()

    def shadow(self, version: str, plan: Shadow | None) -> None:
        self._endpoint.shadow(version, plan)

    def undeploy(self, version: str) -> None:
        self._endpoint.undeploy(version)
        self._mortality.changed()

    def predict(self, instances: Sequence[Any], version: str | None = None, *, logged: bool = True) -> Predictions:
        return self._endpoint.predict(instances, version, logged=logged)

    def status(self) -> EndpointStatus:
        return self._endpoint.status()

    def delete(self) -> str | None:
        return self._endpoint.delete()


def put_live(host: VertexHostSettings, version: str, model_dir: Path, record: Path, changes: int = NEVER) -> Deployment:
    """The rollout that the step `deploy` does, with the aliases in a file; it ends with the n-th change."""
    mortality = Mortality(changes)
    endpoint = MortalEndpoint(VertexEndpoint(host, "news"), mortality)
    aliases = json.loads(record.read_text(encoding="utf-8"))
    champion = aliases["champion"]

    def crown() -> None:
        if champion != version:
            record.write_text(json.dumps({"champion": version, "previous": champion}), encoding="utf-8")
            mortality.changed()

    ramp = Ramp(shares=(20,), hold_s=0)
    release = Release(model="news", version=version, fetch=lambda: model_dir, smoke=GOOD, ramp=ramp)
    return roll_out(endpoint, release, champion if champion != version else aliases["previous"], crown)


if __name__ == "__main__":
    given, version, model_dir, record, changes = sys.argv[1:]
    put_live(VertexHostSettings.model_validate_json(given), version, Path(model_dir), Path(record), int(changes))
