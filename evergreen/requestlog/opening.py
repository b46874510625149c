"""Opens the log that a server process was told to keep."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from evergreen.core.errors import InputError
from evergreen.requestlog.cloud import Stdout
from evergreen.requestlog.journal import Journal, Redact, Sink
from evergreen.requestlog.settings import INPUTS, MODEL, STDOUT, TO, LogSettings
from evergreen.requestlog.spool import Spool


def open_journal(environment: Mapping[str, str], logger: logging.Logger, owner: Callable[[], str]) -> Journal | None:
    """The journal that the variables ask for, None for none; `logger` is told what goes wrong.

    Raises:
        InputError: a variable cannot be used, the function that it names included.
    """
    to = environment.get(TO)
    if not to:
        return None
    settings = LogSettings.from_environment(environment)
    sink: Sink = Stdout(sys.stdout.buffer) if to == STDOUT else Spool(Path(to), owner)
    redact = hook(settings.inputs) if settings.inputs else None
    return Journal(sink, environment.get(MODEL, ""), settings.sample, redact, logger)


def hook(place: str) -> Redact:
    """The function that is named `module:function`.

    Raises:
        InputError: it cannot be imported, or is none.
    """
    module, _, name = place.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever the code of a user raises as it is imported
        raise InputError(
            f"{INPUTS} names {place!r}, which cannot be imported: {type(error).__name__}: {error}; put its package "
            "where the server runs, or leave host.log.inputs out"
        ) from error
    if not callable(function):
        raise InputError(f"{INPUTS} names {place!r}, which is no function; name one that takes an instance")
    redact: Redact = function
    return redact
