"""Commits as the Hub's client sends them: one JSON object a line, small files in them, large ones uploaded before.

{"key": "header", "value": {"summary": "Add weights"}}
{"key": "file", "value": {"path": "README.md", "content": "IyBOZXdz", "encoding": "base64"}}
{"key": "lfsFile", "value": {"path": "model.safetensors", "algo": "sha256", "oid": "9f…", "size": 81234}}
"""

from __future__ import annotations

import base64
import json
from typing import Any

from cloudbox.hub.failures import HubError, no_entry
from cloudbox.hub.objects import POINTER, Objects, git_oid
from cloudbox.hub.repositories import Commit, File, Repository

LARGE_BYTES = 10 * 1024 * 1024
ENDINGS = (
    "bin",
    "ckpt",
    "gz",
    "h5",
    "npy",
    "npz",
    "onnx",
    "parquet",
    "pt",
    "pth",
    "safetensors",
    "tar",
    "tflite",
    "zip",
)
ATTRIBUTES_FILE = "".join(f"*.{ending} filter=lfs diff=lfs merge=lfs -text\n" for ending in ENDINGS).encode()


def store_small_file(objects: Objects, content: bytes) -> File:
    """A file that git keeps itself."""
    return File(sha256=objects.put(content), size=len(content), oid=git_oid(content))


def upload_modes(commit: Commit, announced: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Which of the announced files are to be uploaded as large ones, and what the branch holds in their place."""
    modes = []
    for file in announced:
        path, held = file["path"], commit.files.get(file["path"])
        large = file["size"] > LARGE_BYTES or path.rpartition(".")[2] in ENDINGS
        answer = {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
        if held:
            answer["oid"] = held.sha256 if held.lfs else held.oid
        modes.append(answer)
    return modes


def apply(repository: Repository, branch: str, payload: bytes, objects: Objects) -> Commit:
    """The new commit.

    Raises:
        HubError: a large file was never uploaded, a deleted one is not there, or another commit came first.
    """
    lines = [json.loads(line) for line in payload.splitlines() if line]
    if not lines or lines[0]["key"] != "header":
        raise HubError(400, "The first line of a commit is its header")
    header = lines[0]["value"]
    head = repository.branches[branch]
    if header.get("parentCommit", head) != head:
        raise HubError(412, "A commit has happened since. Please refresh and try again.")
    files = dict(repository.commits[head].files)
    for line in lines[1:]:
        _apply_line(files, line["key"], line["value"], objects)
    return repository.commit(branch, files, header["summary"], header.get("description", ""))


def _apply_line(files: dict[str, File], key: str, value: dict[str, Any], objects: Objects) -> None:
    path = value["path"]
    if key == "file":
        files[path] = store_small_file(objects, base64.b64decode(value["content"]))
    elif key == "lfsFile":
        files[path] = _large_file(objects, value["oid"])
    elif key == "deletedFile":
        if path not in files:
            raise no_entry(path)
        del files[path]
    elif key == "deletedFolder":
        for name in [name for name in files if name.startswith(path.rstrip("/") + "/")]:
            del files[name]
    else:
        raise HubError(400, f"A commit cannot hold {key!r}")


def _large_file(objects: Objects, sha256: str) -> File:
    if not objects.has(sha256):
        raise HubError(400, f"LFS object {sha256} was never uploaded")
    size = objects.path(sha256).stat().st_size
    pointer = POINTER.format(sha256=sha256, size=size).encode()
    return File(sha256=sha256, size=size, oid=git_oid(pointer), lfs=True)
