"""Where a training's checkpoints lie, so that they outlive the machine that writes them.

An artifact store that is a folder of this machine holds them itself; to any other one (gs://…) they are copied from a
scratch directory, a whole checkpoint at a time.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from zenml.artifact_stores import BaseArtifactStore
from zenml.logger import get_logger

PREFIX = "checkpoint-"
LAST_FILE = "trainer_state.json"
"""Written last: a checkpoint that was cut off while it was copied lacks it, and is not resumed from."""

logger = get_logger(__name__)


class Checkpoints(Protocol):
    """The checkpoints of one training."""

    @property
    def path(self) -> Path:
        """The directory that the training writes to."""

    def open(self) -> None:
        """Makes `path` hold what an earlier attempt left."""

    def open_notes(self) -> None:
        """Makes `path` hold the files that an earlier attempt left beside its checkpoints."""

    def keep(self) -> None:
        """Makes durable what is in `path`, and forgets what is not."""

    def discard(self) -> None:
        """Removes them for good."""

    def discard_but_notes(self) -> None:
        """Removes them for good; the files beside them stay."""


class LocalCheckpoints:
    """Written where they stay."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> None:
        """Makes the directory where there is none."""
        self.path.mkdir(parents=True, exist_ok=True)

    def open_notes(self) -> None:
        """Does nothing: they are there."""

    def keep(self) -> None:
        """Does nothing: they are durable already."""

    def discard(self) -> None:
        """Removes them for good."""
        shutil.rmtree(self.path, ignore_errors=True)

    def discard_but_notes(self) -> None:
        """Removes them for good; the files beside them stay."""
        for folder in self.path.glob(f"{PREFIX}*"):
            shutil.rmtree(folder, ignore_errors=True)


class RemoteCheckpoints:
    """A copy in the artifact store below `uri`. `path` is the same on every machine: a checkpoint names files by it.

    No lock reaches from machine to machine: whoever trains the same at the same time writes and removes the same files,
    so that any of them may be gone when it is asked for.
    """

    def __init__(self, store: BaseArtifactStore, uri: str) -> None:
        self._store = store
        self._uri = uri
        self.path = Path(tempfile.gettempdir(), "evergreen-checkpoints", uri.rsplit("/", 1)[-1])
        self._kept: set[str] = set()
        self._warned = False

    def open(self) -> None:
        """Copies the whole checkpoints of the store, and nothing else, to `path`."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        self._kept = self._fetch()

    def open_notes(self) -> None:
        """Copies the files beside the checkpoints of the store, and nothing else, to `path`."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        self._fetch_notes()

    def keep(self) -> None:
        """Copies checkpoints that are new, and removes from the store those that are here no more.

        A training is worth more than its checkpoints: when the store fails, it goes on with those that are kept.
        """
        try:
            self._copy()
        except Exception as error:  # whatever the store's library raises
            if not self._warned:
                reason = " ".join(str(error).split()) or type(error).__name__
                logger.warning(
                    "checkpoints are not kept in %s, a killed training starts earlier: %s", self._uri, reason
                )
            self._warned = True

    def discard(self) -> None:
        """Removes them for good, here and in the store."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._remove(self._uri)
        self._kept = set()

    def discard_but_notes(self) -> None:
        """Removes them for good, here and in the store; the files beside them stay."""
        for folder in self.path.glob(f"{PREFIX}*"):
            shutil.rmtree(folder, ignore_errors=True)
        for name in sorted(self._names(self._uri)):
            if name.startswith(PREFIX):
                self._remove(f"{self._uri}/{name}")
        self._kept = set()

    def _copy(self) -> None:
        for file in (path for path in self.path.iterdir() if path.is_file()):
            self._upload(file)
        present = {path.name for path in self.path.glob(f"{PREFIX}*")}
        for name in sorted(present - self._kept):
            files = sorted((self.path / name).iterdir(), key=lambda file: (file.name == LAST_FILE, file.name))
            for file in files:
                self._upload(file)
            self._kept.add(name)
        for name in sorted(self._kept - present):  # the new ones are kept by now
            self._remove(f"{self._uri}/{name}")
            self._kept.discard(name)

    def _fetch(self) -> set[str]:
        """The names of the whole checkpoints in the store, now in `path` too."""
        names = self._fetch_notes()
        return {name for name in sorted(names) if name.startswith(PREFIX) and self._fetch_whole(name)}

    def _fetch_notes(self) -> set[str]:
        """All names in the store; the files beside the checkpoints are in `path` now."""
        names = self._names(self._uri)
        for name in sorted(name for name in names if not name.startswith(PREFIX)):
            self._download(name)
        return names

    def _fetch_whole(self, name: str) -> bool:
        """Whether the checkpoint is whole and in `path` now; nothing of one that is not stays there."""
        files = self._names(f"{self._uri}/{name}")
        if LAST_FILE not in files:
            return False
        (self.path / name).mkdir()
        if all(self._download(f"{name}/{file}") for file in sorted(files)):
            return True
        shutil.rmtree(self.path / name)
        return False

    def _names(self, uri: str) -> set[str]:
        try:
            return {os.fsdecode(entry).strip("/") for entry in self._store.listdir(uri)}
        except FileNotFoundError:
            return set()

    def _remove(self, uri: str) -> None:
        if self._store.exists(uri):
            with suppress(FileNotFoundError):
                self._store.rmtree(uri)

    def _upload(self, file: Path) -> None:
        uri = f"{self._uri}/{file.relative_to(self.path).as_posix()}"
        self._store.makedirs(uri.rsplit("/", 1)[0])
        with file.open("rb") as source, self._store.open(uri, "wb") as target:
            shutil.copyfileobj(source, target)

    def _download(self, name: str) -> bool:
        """Whether the file was there to be copied."""
        try:
            with self._store.open(f"{self._uri}/{name}", "rb") as source, (self.path / name).open("wb") as target:
                shutil.copyfileobj(source, target)
        except FileNotFoundError:
            (self.path / name).unlink(missing_ok=True)
            return False
        return True


def checkpoints_of(store: BaseArtifactStore, name: str) -> Checkpoints:
    """The checkpoints `checkpoints/<name>` of an artifact store."""
    if Path(store.path).is_absolute():
        return LocalCheckpoints(Path(store.path) / "checkpoints" / name)
    return RemoteCheckpoints(store, f"{store.path.rstrip('/')}/checkpoints/{name}")
