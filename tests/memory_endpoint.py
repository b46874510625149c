"""An endpoint in memory under the contract of `Endpoint`, with the failures that a rollout must survive."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from evergreen.core.answers import Predictions
from evergreen.core.deployment import EndpointStatus
from evergreen.core.errors import EndpointError, InputError
from evergreen.core.shadow import Shadow, ShadowReport


class MemoryEndpoint:
    """`fail[verb]` is what a call of the verb raises or answers; `broken` are versions that do not come up,
    `dies_at` is a version that ends as soon as it has this percent of the traffic.

    `replicas` are those of each version, counted where there are any, and `starting` how many looks another one takes.

    `shadowed` is what it says of copies of requests while a version gets them.

    `calls` are the calls that change or ask something, `unserved` those that met traffic without anyone to answer,
    `noted` counts those that a request log would hold.
    """

    def __init__(self, traffic: Mapping[str, int] | None = None, fail: Mapping[str, Any] | None = None) -> None:
        self.traffic = dict(traffic or {})
        self.ready = set(self.traffic)
        self.uploaded = dict.fromkeys(self.traffic, Path("model"))
        self.broken: set[str] = set()
        self.dies_at: tuple[str, int] | None = None
        self.outdated: tuple[str, ...] = ()
        self.successors: set[str] = set()
        self.replicas: dict[str, int] = {}
        self.starting = 0
        self.shadowed = ShadowReport(version="")
        self.copied: str | None = None
        self.fail = dict(fail or {})
        self.calls: list[str] = []
        self.offered: dict[str, list[Mapping[str, Any]]] = {}
        self.unserved: list[str] = []
        self.parked = False
        self.changed: datetime | None = None
        self.noted = 0

    def die(self) -> None:
        """Nothing answers any more; what is deployed is known still."""
        self.ready.clear()

    def upload(self, version: str, model_dir: Path) -> None:
        self._called("upload", version)
        self.uploaded[version] = model_dir

    def offer(self, version: str, examples: Sequence[Mapping[str, Any]]) -> None:
        if "offer" in self.fail:  # no change of what runs, so none of the calls
            raise self.fail.pop("offer")
        self.offered[version] = list(examples)

    def deploy(self, version: str) -> None:
        if version not in self.uploaded:
            raise EndpointError(f"version {version} was never uploaded")
        self.traffic.setdefault(version, 0)  # a failed start may leave the version behind
        self._called("deploy", version)
        if version in self.broken:
            raise EndpointError(f"version {version} does not load")
        self.ready.add(version)

    def renew(self, version: str) -> None:
        if version not in self.ready:
            raise EndpointError(f"version {version} is not ready")
        if version in self.outdated:
            self._called("renew", version)
            self.successors.add(version)

    def switch(self, version: str) -> None:
        if version not in self.outdated:
            return
        self._called("switch", version)
        if version not in self.successors:
            raise EndpointError(f"version {version} has no successor")
        self.successors.discard(version)
        self.outdated = tuple(outdated for outdated in self.outdated if outdated != version)

    def clear(self) -> None:
        if self.successors:
            self._called("clear", None)
            self.successors.clear()

    def set_traffic(self, traffic: Mapping[str, int]) -> None:
        shares = {version: percent for version, percent in traffic.items() if percent}
        if sum(shares.values()) != 100 or min(shares.values()) < 0:
            raise InputError(f"traffic {dict(traffic)} is no split")
        if not shares.keys() <= self.ready:
            raise EndpointError(f"not all of {shares} are ready (ready: {self.ready})")
        failure = self.fail.pop("set_traffic", None)  # restoring works again
        if failure != "before":
            self.traffic = {version: shares.get(version, 0) for version in self.traffic}
        self.calls.append(f"set_traffic {dict(traffic)}")
        if self.dies_at and shares.get(self.dies_at[0]) == self.dies_at[1]:
            self.ready.discard(self.dies_at[0])
        if failure:
            raise failure if isinstance(failure, BaseException) else EndpointError("no route")

    def scale(self, version: str, replicas: int | None) -> bool:
        self._called("scale", f"{version} to {replicas or 'least'}")
        if replicas is None or self.starting == 0:
            self.replicas[version] = replicas or 1
            return True
        self.starting -= 1
        return False

    def shadow(self, version: str, plan: Shadow | None) -> None:
        if plan is None and self.copied is None:
            return
        self._called("end shadow" if plan is None else "shadow", version)
        self.copied = None if plan is None else version

    def undeploy(self, version: str) -> None:
        if self.traffic.get(version):
            raise EndpointError(f"version {version} has traffic")
        if version not in self.traffic:
            return
        self._called("undeploy", version)
        del self.traffic[version]
        self.ready.discard(version)

    def park(self) -> None:
        if 100 not in self.traffic.values():
            raise EndpointError("no version has all the traffic")
        self.calls.append("park None")
        self.parked = True
        self.ready.clear()

    def unpark(self) -> None:
        if self.parked:
            self._called("unpark", None)
            self.parked = False
            self.ready = set(self.traffic)

    def predict(self, instances: Sequence[Any], version: str | None = None, *, logged: bool = True) -> Predictions:
        self._called("predict", version)
        self.noted += logged and version is None
        if self.parked:
            raise EndpointError("it is parked")
        asked = {version} if version else {name for name, percent in self.traffic.items() if percent}
        if not asked & self.ready:
            raise EndpointError(f"{asked} do not answer")
        if not instances or not all(isinstance(instance, dict) for instance in instances):
            raise InputError(f"instances {instances} cannot be used")
        answer = self.fail.get("predict")
        made = answer if isinstance(answer, list) else [{"label": "sport", "score": 0.9} for _ in instances]
        return Predictions(made)

    def status(self) -> EndpointStatus:
        url = "http://127.0.0.1:8501" if self.ready else None
        ready = tuple(sorted(self.ready))
        shadow = self.shadowed.model_copy(update={"version": self.copied}) if self.copied else None
        traffic, outdated = dict(self.traffic), self.outdated
        return EndpointStatus(
            url=url,
            traffic=traffic,
            ready=ready,
            outdated=outdated,
            parked=self.parked,
            shadow=shadow,
            changed=self.changed,
            replicas={version: self.replicas.get(version, 1) for version in traffic} if self.replicas else {},
        )

    def delete(self) -> str | None:
        self.calls.append("delete")
        versions = ", ".join(self.uploaded)
        self.traffic, self.ready, self.uploaded, self.successors = {}, set(), {}, set()
        return f"undeployed {versions}" if versions else None

    def _called(self, verb: str, version: str | None) -> None:
        self.calls.append(f"{verb} {version}")
        failure = self.fail.get(verb)
        if isinstance(failure, BaseException):
            raise failure
        shares = [name for name, percent in self.traffic.items() if percent]
        if shares and not any(name in self.ready for name in shares):
            self.unserved.append(self.calls[-1])
