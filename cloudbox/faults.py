"""Faults on demand: rules in `<home>/faults.json` that the services of the box obey at every call.

    add(home, Fault(kind="error", target="DeployModel", code="UNAVAILABLE", times=2))

| kind | target | what happens |
| --- | --- | --- |
| error | method | the next calls are answered with `code` |
| answer-lost | method | the next calls are carried out, and answered with `code` |
| slow | method | the next calls wait `seconds` first |
| stale | `List…` method | the next lists tell the state of `seconds` ago; single resources are told as they are |
| no-status | ListEndpoints, GetEndpoint | the next answers tell no deployed model's status |
| autoscaled | id or display name of a deployed model | autoscaling has `replicas` of it up, at most its most |
| unresolved | host | the next connections to it fail as where DNS has no such name yet |
| stall | `storage.objects.get` or `….insert` | the next object's bytes stop halfway, and go on after `seconds` |
| cut | `storage.objects.get` or `….insert` | the connection of the next object's bytes ends halfway |
| foreign | bucket | it is another project's: its metadata says so, and nothing else may be done with it |
| quota | machine type, accelerator type or `spot` | a deployment, replica or job on it is refused: RESOURCE_EXHAUSTED |
| stockout | as quota | a job or further replica on it is accepted, and fails before it starts: RESOURCE_EXHAUSTED |
| queue | as quota | a custom job on it stays queued for `seconds`, a further replica takes as long to be up |
| driver | task | the task fails before it has a container: INTERNAL |
| image | task or custom job | its image cannot be pulled, so that its container never starts: NOT_FOUND |
| preempt | task or custom job | its Spot machine is taken back `seconds` after the start: RESOURCE_EXHAUSTED |
| never-ready | display name of the model | its container never answers its health route; given up after `seconds` |
| kill | task or custom job | its container is killed (SIGKILL) `seconds` after its start |
| never-ends | method | the operation that it starts is never done |
| cancel-ignored | method | the operation that it started goes on when it is cancelled |

A target is a plain name (`DeployModel`, `n1-standard-4`), a whole method
(`google.longrunning.Operations/GetOperation`), a pattern (`*`, `train*`), or several with commas between
(`n1-standard-8,NVIDIA_L4`). `times` is how often a rule acts; without it, until it is cleared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Literal, get_args

import grpc
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator

from cloudbox.home import Home

Kind = Literal[
    "error",
    "answer-lost",
    "slow",
    "stale",
    "no-status",
    "autoscaled",
    "unresolved",
    "stall",
    "cut",
    "foreign",
    "quota",
    "stockout",
    "queue",
    "driver",
    "image",
    "preempt",
    "never-ready",
    "kill",
    "never-ends",
    "cancel-ignored",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Fault(BaseModel):
    """One rule; see the table above."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    target: str = "*"
    code: str = "UNAVAILABLE"
    seconds: float = Field(default=0.0, ge=0)
    times: PositiveInt | None = None
    replicas: PositiveInt | None = None

    @field_validator("code")
    @classmethod
    def _known_code(cls, code: str) -> str:
        names = [status.name for status in grpc.StatusCode if status is not grpc.StatusCode.OK]
        if code not in names:
            raise ValueError(f"unknown code {code!r}; use one of {', '.join(names)}")
        return code

    def concerns(self, kind: Kind, name: str) -> bool:
        """Whether the rule is about this method (`package.Service/Method`), machine, model or task."""
        return kind == self.kind and any(
            fnmatchcase(name, target) or fnmatchcase(name.rpartition("/")[2], target)
            for target in self.target.split(",")
        )


def listed(home: Home) -> list[Fault]:
    """The rules in force, in the order in which they were added."""
    if not home.faults.exists():
        return []
    return [Fault.model_validate(rule) for rule in json.loads(home.faults.read_text(encoding="utf-8"))]


def add(home: Home, fault: Fault) -> list[Fault]:
    """Put a rule in force behind the others; returns all."""
    with _editing(home) as rules:
        rules.append(fault)
        return list(rules)


def clear(home: Home, kind: Kind | None = None) -> list[Fault]:
    """Lift every rule, or every one of a kind; returns those that were lifted."""
    with _editing(home) as rules:
        lifted = [rule for rule in rules if kind in (None, rule.kind)]
        rules[:] = [rule for rule in rules if rule not in lifted]
        return lifted


def take(home: Home, kind: Kind, name: str) -> Fault | None:
    """The first rule of this kind that concerns `name`, counted as having acted once; None without one."""
    if not any(rule.concerns(kind, name) for rule in listed(home)):
        return None  # the common case takes no lock
    with _editing(home) as rules:
        for index, rule in enumerate(rules):
            if rule.concerns(kind, name):
                if rule.times == 1:
                    del rules[index]
                elif rule.times is not None:
                    rules[index] = rule.model_copy(update={"times": rule.times - 1})
                return rule
    return None


@contextmanager
def _editing(home: Home) -> Iterator[list[Fault]]:
    """The rules, written back whole: several services count the same file down."""
    with FileLock(home.faults.with_suffix(".lock")):
        rules = listed(home)
        yield rules
        home.write(home.faults, json.dumps([rule.model_dump() for rule in rules], indent=1))
