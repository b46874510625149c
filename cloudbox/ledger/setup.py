"""What a guide makes in a project before its first run, read from its shell blocks: `<home>/setup.json`.

    setup_of(guide, {"EVERGREEN_BUCKET": "gs://news", …}).policies["bucket news"]  # (Binding(role="roles/…", …), …)

An empty project has nothing of it. What may be taken away in the file is missing at the next question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict

from cloudbox.home import Home
from cloudbox.ledger.grants import MEMBER, ROLE, shell_lines

PROJECT = "project"
_RESOURCES = {
    re.compile(r"gcloud projects add-iam-policy-binding"): PROJECT,
    re.compile(r"gcloud storage buckets add-iam-policy-binding gs://(\S+)"): "bucket",
    re.compile(r"gcloud iam service-accounts add-iam-policy-binding (\S+)"): "account",
    re.compile(r"gcloud artifacts repositories add-iam-policy-binding (\S+)"): "repository",
}
"""What gets a role by such a line; data sets keep theirs themselves."""
_CONDITION = re.compile(r"expression=(.+?),title=")
_ENABLED = re.compile(r"gcloud services enable ([^;]+)")
_REPOSITORY = re.compile(r"gcloud artifacts repositories create (\S+)")


class Binding(BaseModel):
    """One member's role, under a condition or none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str
    member: str
    condition: str = ""


class Setup(BaseModel):
    """Services and repositories by name, accounts by address, roles by what they are on (`project`, `bucket news`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    services: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    repositories: frozenset[str] = frozenset()
    policies: dict[str, tuple[Binding, ...]] = {}

    @classmethod
    def of(cls, home: Home) -> Setup:
        """What was set up in a box; nothing where nobody did."""
        return cls.model_validate_json(home.setup.read_text(encoding="utf-8")) if home.setup.is_file() else cls()


def setup_of(guide: str, environment: Mapping[str, str]) -> Setup:
    """All that the lines of a guide make; names in capitals are taken from the environment."""
    lines = list(shell_lines(guide, environment))
    policies: dict[str, tuple[Binding, ...]] = {}
    for resource, binding in _bindings(lines):
        policies[resource] = (*policies.get(resource, ()), binding)
    members = {binding.member for bindings in policies.values() for binding in bindings}
    return Setup(
        services=frozenset(name for line in lines for services in _ENABLED.findall(line) for name in services.split()),
        accounts=frozenset(member.removeprefix("serviceAccount:") for member in members),
        repositories=frozenset(name for line in lines for name in _REPOSITORY.findall(line)),
        policies=policies,
    )


def _bindings(lines: list[str]) -> Iterator[tuple[str, Binding]]:
    for line in lines:
        role, member, condition = ROLE.search(line), MEMBER.search(line), _CONDITION.search(line)
        for pattern, kind in _RESOURCES.items():
            if role and member and (match := pattern.search(line)):
                resource = " ".join([kind, *match.groups()])
                yield resource, Binding(role=role[0], member=member[0], condition=condition[1] if condition else "")
