"""Whether the roles of each account suffice for what it called, by a table of methods, permissions and roles.

The table, `permissions.json`, holds only what the box has methods for and what the guide grants; each entry has its
source, or is marked as unproved. What a role is granted *on* is known as far as project or not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cloudbox.ledger.calls import ANONYMOUS, Call
from cloudbox.ledger.grants import Grant

UNPROVED = "unproved"
"""The source of what was found in no public table."""
TABLE = Path(__file__).with_name("permissions.json")


class Entry(BaseModel):
    """The permissions of a method or a role, and where that is documented: a key of `Table.sources`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    permissions: frozenset[str]
    source: str


class Table(BaseModel):
    """What methods need and roles hold; `of_projects` are permissions that only a grant on the project gives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: dict[str, str]
    of_projects: frozenset[str]
    methods: dict[str, Entry]
    roles: dict[str, Entry]

    @classmethod
    def read(cls) -> Table:
        """The table that is checked in."""
        return cls.model_validate_json(TABLE.read_text(encoding="utf-8"))

    def gives(self, grant: Grant, permission: str) -> bool:
        """Whether a grant holds a permission."""
        entry = self.roles.get(grant.role)
        return (
            entry is not None
            and permission in entry.permissions
            and (grant.on_project or permission not in self.of_projects)
        )


@dataclass(frozen=True)
class Proof:
    """The outcome: what an account lacks, what is not known, and what was granted and not used."""

    lacking: tuple[str, ...]
    unknown: tuple[str, ...]
    unused: tuple[str, ...]
    unproved: tuple[str, ...]


def proof(calls: Collection[Call], grants: Collection[Grant], table: Table) -> Proof:
    """Compares calls with grants; a call of nobody known is named, and proves nothing."""
    methods = sorted({call.method for call in calls})
    known = sorted({call.principal for call in calls} - {ANONYMOUS})
    needs = {account: _needed(account, calls, table) for account in known}
    nobodys = sorted(call.method for call in set(calls) if call.principal == ANONYMOUS and call.method in table.methods)
    return Proof(
        lacking=tuple(line for account in known for line in _lacking(account, needs[account], grants, table)),
        unknown=(
            *(f"{method}: no permission is known of it" for method in methods if method not in table.methods),
            *(f"{ANONYMOUS}: {method}" for method in nobodys),
        ),
        unused=tuple(
            f"{grant.account}: {grant.role}" + ("" if grant.role in table.roles else ", for what the box does not have")
            for grant in sorted(set(grants))
            if not any(table.gives(grant, permission) for permission in needs.get(grant.account, {}))
        ),
        unproved=tuple(
            method for method in methods if method in table.methods and table.methods[method].source == UNPROVED
        ),
    )


def _needed(account: str, calls: Collection[Call], table: Table) -> dict[str, list[str]]:
    """Permissions of an account's calls, each with the methods that need it."""
    needed: dict[str, list[str]] = {}
    for call in sorted(calls):
        entry = table.methods.get(call.method)
        if call.principal == account and entry:
            for permission in sorted(entry.permissions):
                needed.setdefault(permission, []).append(call.method)
    return needed


def _lacking(account: str, needed: dict[str, list[str]], grants: Collection[Grant], table: Table) -> Iterator[str]:
    mine = [grant for grant in grants if grant.account == account]
    for permission, methods in needed.items():
        if not any(table.gives(grant, permission) for grant in mine):
            yield f"{account} lacks {permission} for {', '.join(methods)}"
