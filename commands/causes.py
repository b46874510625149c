"""Plain causes of what libraries raise: a full disk, too little memory, a file that is gone.

safetensors' `SafetensorError: … No space left on device (os error 28)`
→  `no room in /tmp (0.1 GB free): …; free space there, or set TMPDIR to a folder with room`
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from evergreen.core.addresses import without_password
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.quoting import cut, without_rows

FULL = re.compile(
    r"no space left on|disk quota exceeded|os error 28\b|database or disk is full|disk is full|out of disk space", re.I
)
"""As Python, Rust, SQLite, Arrow and DuckDB say it."""
MEMORY = re.compile(r"out of memory|unable to allocate|cannot allocate memory|malloc of size|bad_alloc", re.I)
PATHS = re.compile(r"/[^\s'\"`:;,()]+")
FULL_CODES = (errno.ENOSPC, errno.EDQUOT)
MOST_CHARS = 300
GIGABYTE = 1e9


def plain_cause(error: BaseException) -> EvergreenError | None:
    """What a person can do something about behind an error; None where it is none of the known causes."""
    known = next((plain for cause in _chain(error) if (plain := _known(cause)) is not None), None)
    if known is None and isinstance(error, OSError) and error.filename is not None:
        return _of_file(error)
    return known or _of_tracker(error)


def _known(cause: BaseException) -> EvergreenError | None:
    if isinstance(cause, OSError) and cause.errno == errno.ENAMETOOLONG:
        return InputError(f"{_named(cause)}, or a name in it, is longer than the system takes; shorten it")
    if (isinstance(cause, OSError) and cause.errno in FULL_CODES) or FULL.search(str(cause)):
        return _no_room(cause)
    if isinstance(cause, MemoryError) or MEMORY.search(str(cause)):
        return EvergreenError(
            f"not enough memory: {_short(cause)}; set a smaller batch_size or image_size, or give the machine more"
        )
    if isinstance(cause, RecursionError):
        return InputError(
            "nested too deep to be read: a configuration, a row or an answer holds thousands of levels; write it "
            "flatter (--debug shows where)"
        )
    if (server := _login_refused_by(cause)) is not None:
        return EvergreenError(
            f"ZenML at {server} refuses this login: it has run out, or was withdrawn; zenml login {server}"
        )
    return None


def _login_refused_by(error: BaseException) -> str | None:
    """The ZenML server whose own error this is; the class is not imported for that."""
    refused = type(error).__module__ == "zenml.exceptions" and type(error).__name__ == "CredentialsNotValid"
    return _zenml_server() if refused else None


def _zenml_server() -> str:
    from zenml.config.global_config import GlobalConfiguration

    return without_password(str(GlobalConfiguration().store_configuration.url))


def _named(error: OSError) -> str:
    given = str(error.filename or "")
    return f"the path {cut(given)!r} of {len(given):,} characters" if given else "a path"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _no_room(error: BaseException) -> EvergreenError:
    place, free = min(_places(error), key=lambda place: place[1])
    return EvergreenError(
        f"no room in {place} ({free / GIGABYTE:.1f} GB free): {_short(error)}; free space there, or set TMPDIR (for "
        "ZenML's folder ZENML_CONFIG_PATH) to a folder with room, then run again: what was finished is kept"
    )


def _places(error: BaseException) -> Iterator[tuple[Path, int]]:
    """Folders that may be full, and their free bytes: those that the error names, and where scratch files and ZenML's
    own lie.
    """
    named = [Path(str(name)) for name in (getattr(error, "filename", None), getattr(error, "filename2", None)) if name]
    for path in (*named, *map(Path, PATHS.findall(str(error))), Path(tempfile.gettempdir()), _zenml_home()):
        folder = next((parent for parent in (path, *path.parents) if parent.is_dir()), None)
        if folder is not None and folder != Path("/"):
            yield folder, shutil.disk_usage(folder).free


def _zenml_home() -> Path:
    given = os.environ.get("ZENML_CONFIG_PATH")
    return Path(given) if given else Path.home() / ".config" / "zenml"


def _of_file(error: OSError) -> EvergreenError:
    path, reason = error.filename, error.strerror or type(error).__name__
    if isinstance(error, FileNotFoundError):
        return EvergreenError(f"{path} is gone ({reason}); where a run had stored it, run again with --no-cache")
    return EvergreenError(f"{path} cannot be used: {reason}; check its rights and its disk, then run again")


def _of_tracker(error: BaseException) -> EvergreenError | None:
    if not type(error).__module__.startswith("mlflow."):
        return None
    return EvergreenError(
        f"MLflow, which tracks runs, failed: {_short(error)}; see that its server answers, then run again"
    )


def _short(error: BaseException) -> str:
    text = without_rows(without_password(" ".join(str(error).split()))) or "no message"
    return f"{type(error).__name__}: {text if len(text) <= MOST_CHARS else text[: MOST_CHARS - 1] + '…'}"
