"""What is printed, and what the project's own modules warn of, kept for who asks."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commands.console import OWN_LOGGERS


@contextmanager
def captured(path: Path) -> Iterator[None]:
    """What this process and those that it starts print goes into a file; standard input is empty."""
    _flush()
    kept = [os.dup(number) for number in range(3)]
    with path.open("wb") as printed, Path(os.devnull).open("rb") as nothing:
        for number, file in enumerate((nothing, printed, printed)):
            os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            _flush()
            for number, before in enumerate(kept):
                os.dup2(before, number)
                os.close(before)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


@contextmanager
def warnings_kept(messages: list[str]) -> Iterator[None]:
    """Warnings of the project's own modules are added to `messages`."""
    handler = _Warnings(messages)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _Warnings(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps each message once."""
        if record.name.startswith(OWN_LOGGERS) and (message := record.getMessage()) not in self.messages:
            self.messages.append(message)
