"""Repositories with branches, tags and commits, one file each: `<home>/hub/repositories/models/evergreen/news.json`.

A commit lists all its files: `{"id": "9f…", "parent": "1c…", "title": "…", "date": "…", "files": {"README.md": {…}}}`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import RLock
from typing import Literal

from pydantic import BaseModel

from cloudbox.home import Home
from cloudbox.hub.failures import HubError, no_revision

MAIN = "main"
NAME = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
KINDS = ("models", "datasets", "spaces")
Kind = Literal["models", "datasets", "spaces"]


class File(BaseModel):
    """A file at a revision: `sha256` and `size` of its content, `oid` git's name for it, or for its LFS pointer."""

    sha256: str
    size: int
    oid: str
    lfs: bool = False


class Commit(BaseModel):
    """A state of a repository."""

    id: str
    parent: str | None
    title: str
    description: str
    date: str
    files: dict[str, File]


class Secret(BaseModel):
    """What the Hub tells of a secret."""

    description: str = ""
    updated: str


class Repository(BaseModel):
    """One repository; `secrets` are a Space's, by name and without values, which nothing here would use."""

    kind: Kind
    name: str
    private: bool
    created: str
    sdk: str | None = None
    secrets: dict[str, Secret] = {}
    branches: dict[str, str] = {}
    tags: dict[str, str] = {}
    commits: dict[str, Commit] = {}

    def at(self, revision: str) -> Commit:
        """The commit that a branch, a tag or a commit's own id names. Raises HubError for another name."""
        commit = self.branches.get(revision) or self.tags.get(revision) or revision
        if commit not in self.commits:
            raise no_revision(revision)
        return self.commits[commit]

    def history(self, revision: str) -> Iterator[Commit]:
        """The commits up to a revision, newest first."""
        commit: Commit | None = self.at(revision)
        while commit is not None:
            yield commit
            commit = self.commits[commit.parent] if commit.parent else None

    def commit(self, branch: str, files: dict[str, File], title: str, description: str = "") -> Commit:
        """A new commit at the head of a branch."""
        parent = self.branches.get(branch)
        date = now()
        listing = [parent, title, description, date, sorted((path, file.sha256) for path, file in files.items())]
        name = hashlib.sha1(json.dumps(listing).encode(), usedforsecurity=False).hexdigest()
        made = Commit(id=name, parent=parent, title=title, description=description, date=date, files=files)
        self.commits[name] = made
        self.branches[branch] = name
        return made


class Repositories:
    """All repositories of a home; changes are made one at a time and written whole."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._folder = home.state("hub") / "repositories"
        self._lock = RLock()

    def find(self, kind: str, name: str) -> Repository | None:
        """A repository by its full name; None when there is none."""
        if not NAME.fullmatch(name):
            return None
        file = self._folder / kind / f"{name}.json"
        return Repository.model_validate_json(file.read_text()) if file.is_file() else None

    def create(self, repository: Repository, attributes: File, url: str) -> None:
        """Keeps the new repository, with a first commit. Raises HubError when there is one of this name."""
        if not NAME.fullmatch(repository.name):
            raise HubError(400, f"Invalid repo name: {repository.name}")
        with self._lock:
            if self.find(repository.kind, repository.name):
                what = repository.kind.removesuffix("s")
                raise HubError(409, f"You already created this {what} repo: {repository.name}", more={"url": url})
            repository.commit(MAIN, {".gitattributes": attributes}, "initial commit")
            self._write(repository)

    def delete(self, repository: Repository) -> None:
        """Forgets a repository; contents that others may hold stay."""
        with self._lock:
            (self._folder / repository.kind / f"{repository.name}.json").unlink(missing_ok=True)

    @contextmanager
    def changed(self, kind: str, name: str) -> Iterator[Repository]:
        """The repository as it is now, written back when the block ends well."""
        with self._lock:
            repository = self.find(kind, name)
            if repository is None:
                raise HubError(404, "Repository not found", "RepoNotFound")
            yield repository
            self._write(repository)

    def _write(self, repository: Repository) -> None:
        file = self._folder / repository.kind / f"{repository.name}.json"
        self.home.write(file, repository.model_dump_json(indent=1))


def now() -> str:
    """`2026-01-31T09:30:00.000Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
