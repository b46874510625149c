"""Engines that ended their process: each is noted before it is loaded and first asked, until it has answered.

trials/3fa41c02be17-int8-u8s8.onnx     4711: the process that tries it, or that it ended

The writer holds the note's lock, of which the kernel lets go however a process ends. So a note that nobody holds is
left by an engine that took its process with it, by a crash of compiled code or for want of memory: it is not tried
again, which would end the next process too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

from evergreen.core.errors import BusyError, EvergreenError
from evergreen.runtime.locks import exclusive, left_by

FOLDER = "EVERGREEN_ENGINE_TRIALS"
"""Names the folder of the notes, one that outlives the process; unset: nothing is noted."""
WAIT_S = 1.0
"""For a process that tries the same engine; it is tried beside it then."""


class EngineTrials:
    """Notes in a folder; without one, or where it cannot be written, engines are tried without. Safe in threads."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._open: set[Path] = set()
        self._refused: set[Path] = set()

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Those of the folder that FOLDER names."""
        given = environment.get(FOLDER)
        return cls(Path(given) if given else None)

    @contextmanager
    def trying(self, name: str) -> Iterator[None]:
        """Notes the engine of that name, a file's, until the block ends.

        Raises:
            EvergreenError: it ended the process that tried it last.
        """
        if self._folder is None:
            yield
            return
        note = self._folder / name
        with ExitStack() as stack:
            with suppress(OSError, BusyError):  # the disk is full, or another process tries it too
                if left_by(note) is not None:
                    self._refused.add(note)
                    raise EvergreenError(
                        f"it ended the server that tried it last; remove {note} to have it tried again"
                    )
                stack.enter_context(exclusive(note, f"{name} is being tried", WAIT_S))
                stack.callback(self._done, note)
                self._open.add(note)
            yield

    def forget(self) -> bool:
        """Whether engines were refused for what they did; they may be tried again then."""
        refused = {note for note in self._refused if note.exists()}
        for note in refused:
            note.unlink(missing_ok=True)
        self._refused.clear()
        return bool(refused)

    def close(self) -> None:
        """Removes the notes of what is being tried: the process ends, and no engine is to blame."""
        for note in set(self._open):
            self._done(note)

    def _done(self, note: Path) -> None:
        self._open.discard(note)
        note.unlink(missing_ok=True)
