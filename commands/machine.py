"""What this machine offers, each finding with the line that fixes it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-weights.lock")
PYTHON = (3, 11)
MIN_DISK_GIB = 2.0
MIN_MEMORY_GIB = 2.0
GIB = 2**30
INSTALL = "make install"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's answer; `fix` is the line to type when it is not fine.

    A `note` is not fine either, but stops no run now: it is told, and not counted.
    """

    name: str
    fine: bool
    message: str
    fix: str = ""
    note: bool = False

    @property
    def word(self) -> str:
        """`fine`, `note` or `FIX`."""
        return "fine" if self.fine else "note" if self.note else "FIX"

    @property
    def missing(self) -> bool:
        """Whether a run would fail by it."""
        return not self.fine and not self.note


def check_python() -> Finding:
    """Whether this is the Python that the lock was made for."""
    got = sys.version_info[:2]
    message = f"{sys.version.split()[0]} at {sys.executable}"
    return Finding("python", got == PYTHON, message, f"{INSTALL} PYTHON=/path/to/python{PYTHON[0]}.{PYTHON[1]}")


def check_packages(root: Path = ROOT) -> Finding:
    """Whether the locked packages are installed in the locked versions."""
    missing_locks = [name for name in LOCKS if not (root / name).is_file()]
    if missing_locks:
        return Finding("packages", False, f"no {' and no '.join(missing_locks)} in {root}", "make lock")
    wrong, count = [], 0
    for name, wanted in _locked(root):
        count += 1
        try:
            got = version(name).partition("+")[0]  # 2.13.0+cpu is 2.13.0
        except PackageNotFoundError:
            got = "missing"
        if got != wanted:
            wrong.append(f"{name} {got} (locked: {wanted})")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        return Finding("packages", False, f"{', '.join(wrong[:5])}{more}", INSTALL)
    return Finding("packages", True, f"all {count} as locked")


def check_beam() -> Finding:
    """Whether raw data can be prepared here: by `prepare`, and by runs whose steps run here."""
    there = find_spec("apache_beam") is not None
    message = "Apache Beam, for prepare" if there else "no Apache Beam, which prepare needs here"
    return Finding("beam", there, message, f"{INSTALL}-dev", note=True)


def check_disk(directory: Path) -> Finding:
    """Whether artifacts and checkpoints find room at `directory`, or where it will be created."""
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free / GIB
    fix = f"free some space there, or export ZENML_CONFIG_PATH=/a/larger/disk (needs {MIN_DISK_GIB:g} GiB)"
    return Finding("disk", free >= MIN_DISK_GIB, f"{free:,.1f} GiB free at {directory}", fix)


def check_memory() -> Finding:
    """Whether training an encoder of usual size fits."""
    import psutil

    free = psutil.virtual_memory().available / GIB
    fix = f"end other programs (needs {MIN_MEMORY_GIB:g} GiB), or set parameters.task.batch_size lower"
    return Finding("memory", free >= MIN_MEMORY_GIB, f"{free:,.1f} GiB available", fix)


def _locked(root: Path) -> Iterator[tuple[str, str]]:
    """Name and version of every locked requirement that applies to this machine."""
    from packaging.requirements import Requirement

    for lock in LOCKS:
        for line in (root / lock).read_text(encoding="utf-8").splitlines():
            text = line.partition("#")[0].partition(" --")[0].strip().rstrip("\\").strip()
            if not text or text.startswith("-"):
                continue
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement.name, str(requirement.specifier).removeprefix("==")
