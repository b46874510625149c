"""Repositories, trees and refs in the JSON that the Hub's client reads."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath
from typing import Any

from cloudbox.hub.objects import POINTER
from cloudbox.hub.repositories import Commit, File, Repository

Json = dict[str, Any]


def repository_info(repository: Repository, commit: Commit) -> Json:
    """A model, a data set or a Space at a commit."""
    own: dict[str, Json] = {"models": {"modelId": repository.name}, "spaces": {"sdk": repository.sdk}}
    newest = next(repository.history("main")).date
    return {
        "_id": hashlib.sha256(f"{repository.kind}/{repository.name}".encode()).hexdigest()[:24],
        "id": repository.name,
        "author": repository.name.partition("/")[0],
        "sha": commit.id,
        "private": repository.private,
        "gated": False,
        "disabled": False,
        "createdAt": repository.created,
        "lastModified": newest,
        "tags": [],
        "downloads": 0,
        "likes": 0,
        "siblings": [_sibling(path, file) for path, file in sorted(commit.files.items())],
    } | own.get(repository.kind, {})


def refs(repository: Repository) -> Json:
    """All branches and tags."""
    return {
        "branches": [_ref("heads", name, commit) for name, commit in repository.branches.items()],
        "tags": [_ref("tags", name, commit) for name, commit in repository.tags.items()],
        "converts": [],
        "pullRequests": [],
    }


def tree(commit: Commit, below: str, *, recursive: bool) -> list[Json]:
    """Files and folders below a folder (`""` is the root); empty when there are none."""
    prefix = f"{below}/" if below else ""
    entries: dict[str, Json] = {}
    for path, file in sorted(commit.files.items()):
        if not path.startswith(prefix):
            continue
        inner = PurePosixPath(path.removeprefix(prefix))
        for parent in reversed(inner.parents[:-1]):
            if recursive or len(parent.parts) == 1:
                folder = prefix + str(parent)
                name = hashlib.sha1(folder.encode(), usedforsecurity=False).hexdigest()
                entries[folder] = {"type": "directory", "oid": name, "size": 0, "path": folder}
        if recursive or len(inner.parts) == 1:
            entries[path] = entry(path, file)
    return list(entries.values())


def entry(path: str, file: File) -> Json:
    """One file of a tree."""
    shown: Json = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
    return shown | ({"lfs": _lfs(file)} if file.lfs else {})


def commits(repository: Repository, revision: str) -> list[Json]:
    """The history of a revision, newest first."""
    return [
        {"id": commit.id, "title": commit.title, "message": commit.description, "date": commit.date, "authors": []}
        for commit in repository.history(revision)
    ]


def _lfs(file: File) -> Json:
    pointer = POINTER.format(sha256=file.sha256, size=file.size)
    return {"oid": file.sha256, "size": file.size, "pointerSize": len(pointer)}


def _sibling(path: str, file: File) -> Json:
    lfs = {"sha256": file.sha256, **_lfs(file)} if file.lfs else None
    return {"rfilename": path, "size": file.size, "blobId": file.oid} | ({"lfs": lfs} if lfs else {})


def _ref(kind: str, name: str, commit: str) -> Json:
    return {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": commit}
