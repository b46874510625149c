"""Runs a module as where nothing is installed but a file of requirements and this library:

python -m tests.only_packages infra/serving-onnx-requirements.txt evergreen.serving
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

OURS = {"evergreen", "tests"}
SHARED = {"google": {"google-auth": ("auth", "oauth2"), "protobuf": ("protobuf", "_upb")}}
"""Parts by distribution of what several distributions put modules into."""


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


class OnlyPackages(MetaPathFinder):
    """Finds nothing of what other distributions brought."""

    def __init__(self, requirements: Path) -> None:
        lines = requirements.read_text(encoding="utf-8").split()
        self._installed = {normal(line.partition("==")[0]) for line in lines}
        self._distributions = packages_distributions()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None where others may look."""
        first, *others = fullname.split(".")
        owners = {normal(name) for name in self._distributions.get(first, ())}
        if not owners or first in OURS:
            return None
        owners &= self._installed
        parts = {part for owner in owners for part in SHARED.get(first, {}).get(owner, ())}
        if not owners or (first in SHARED and others and others[0] not in parts):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


if __name__ == "__main__":
    _, given, module = sys.argv
    sys.meta_path.insert(0, OnlyPackages(Path(given)))
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
