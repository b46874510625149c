"""A clean clone of the repository, in which the commands of workflows run as on a runner of GitHub."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.workflows import ROOT, Run

SHELL = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c")
"""As GitHub calls bash."""
KEPT = ("LANG", "LD_LIBRARY_PATH")
TIMEOUT_S = 1800


def git(folder: Path, *arguments: str) -> str:
    """What a git command prints; commits are nobody's."""
    nobody = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "protocol.file.allow=always")
    command = ["git", *nobody, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


INSTALLED = Path(sys.prefix) / "installed-dev"
"""What `make install-dev` leaves; without it make would install again, into the environment that runs the tests."""


@dataclass(frozen=True)
class Runner:
    """The clone, and the folder where GitHub would keep what is its own.

    `.venv` of the clone is the environment that runs the tests; `python` outside of it has Python's own library alone.
    """

    clone: Path
    own: Path

    @property
    def commit(self) -> str:
        return git(self.clone, "rev-parse", "HEAD")

    def run(
        self, run: Run, values: Mapping[str, str] | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """The finished command of a step; `values` are what its expressions would give, `environment` the job's."""
        files = {name: str(self.own / name) for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            Path(file).write_text("", "utf-8")
        given = {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "PATH": f"{self.own / 'bin'}:/usr/bin:/bin",
            "HOME": str(self.own),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            **files,
            **environment,
            **run.filled(dict(values or {})),
        }
        command = [*SHELL, run.command]
        return subprocess.run(
            command, cwd=self.clone, env=given, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )

    def written(self, name: str) -> dict[str, str]:
        """What the last command wrote to GITHUB_OUTPUT or GITHUB_ENV."""
        lines = (self.own / name).read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)


def clean_clone(folder: Path) -> Runner:
    """A runner with a clone of the last commit."""
    clone, own = folder / "clone", folder / "own"
    (own / "bin").mkdir(parents=True)
    git(own, "clone", "--quiet", str(ROOT), str(clone))
    (clone / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    for lock in clone.glob("requirements*.lock"):
        os.utime(lock, (0, 0))  # older than the environment, which make need not install again
    bare = own / "bin" / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys._base_executable}" -S "$@"\n', "utf-8")  # type: ignore[attr-defined]
    bare.chmod(0o755)
    return Runner(clone, own)
