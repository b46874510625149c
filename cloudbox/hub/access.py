"""What one request may see and change: its caller's token, and the repository it names."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cloudbox.hub.accounts import NAMESPACES, tokens
from cloudbox.hub.failures import HubError, bad_token, forbidden, no_repository
from cloudbox.hub.repositories import Commit, Repositories, Repository


@dataclass(frozen=True)
class Call:
    """One request, read: `path` holds the named parts of its address, e.g. `{"kind": "models", "name": "news"}`."""

    repositories: Repositories
    path: dict[str, str]
    options: dict[str, str]
    content: bytes = field(repr=False)
    authorization: str = field(repr=False)
    address: str = ""

    @cached_property
    def role(self) -> str | None:
        """`write`, `read`, or None for an anonymous caller. Raises HubError for a token that is none of the box's."""
        if not self.authorization:
            return None
        token = self.authorization.removeprefix("Bearer ").strip()
        known = tokens(self.repositories.home)
        role = next((role for role, value in known.items() if value == token), None)
        if role is None:
            raise bad_token()
        return role

    def check_token(self) -> None:
        """Raises HubError for a token that is none of the box's, also where none is needed."""
        _ = self.role

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body. Raises HubError for anything else."""
        try:
            parsed = json.loads(self.content or b"{}")
        except ValueError as error:
            raise HubError(400, f"The body is not JSON: {error}") from error
        if not isinstance(parsed, dict):
            raise HubError(400, "The body is not a JSON object")
        return parsed

    @property
    def repository_name(self) -> str:
        """`evergreen/news`."""
        return f"{self.path['namespace']}/{self.path['name']}"

    @property
    def repository(self) -> Repository:
        """The repository in the address. Raises HubError when the caller may not see it, as when there is none."""
        repository = self.repositories.find(self.path["kind"], self.repository_name)
        if repository is None or (repository.private and self.role is None):
            raise no_repository(anonymous=self.role is None)
        return repository

    @property
    def commit(self) -> Commit:
        """The commit that the address names; `main` where it names none."""
        return self.repository.at(self.path.get("revision", "main"))

    def check_may_write(self) -> None:
        """Raises HubError unless the caller may change the repository in the address."""
        name = self.repository.name
        self.check_namespace(name.partition("/")[0], f"write to {name}")

    def check_namespace(self, namespace: str, what: str) -> None:
        """Raises HubError unless the caller's token may write below a namespace."""
        if self.role is None:
            raise HubError(401, "Invalid username or password.")
        if self.role != "write" or namespace not in NAMESPACES:
            raise forbidden(what)
