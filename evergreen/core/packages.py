"""Folders inside installed packages. They are read as data: a package's code is never imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path, PurePosixPath


def check_inside(path: str) -> None:
    """Returns when a path that is meant relative to a package's folder stays there.

    Raises:
        ValueError: it is absolute or goes up.
    """
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError(f"path '{path}' leaves the package; give it relative to the package's folder")


def installed_folder(package: str) -> Path | None:
    """The folder of an installed top-level package; None where there is no such package."""
    try:
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
    except ValueError:  # a module that was made by hand, such as __main__
        spec = None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])
