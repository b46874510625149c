"""This very library as a wheel, for workers whose image holds its requirements alone."""

from __future__ import annotations

from pathlib import Path

from evergreen.core.errors import InputError
from evergreen.runtime.processes import LIBRARY_ROOT


def library_wheel(folder: Path, checkout: Path = LIBRARY_ROOT) -> Path:
    """`folder/evergreen-VERSION-py3-none-any.whl`, as `pip wheel` would build it; equal sources give equal bytes.

    Raises:
        InputError: the library is not imported from a checkout, which says how it is built.
    """
    from hatchling.builders.wheel import WheelBuilder

    if not (checkout / "pyproject.toml").is_file():
        raise InputError(f"no pyproject.toml in {checkout}, where evergreen lies; run this command in a checkout")
    (path,) = WheelBuilder(str(checkout)).build(directory=str(folder), versions=["standard"])
    return Path(path)
