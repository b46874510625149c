"""The workflows of .github/workflows as they are written, for tests that look at them and run their commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github" / "workflows"
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


@dataclass(frozen=True)
class Workflow:
    """One file; `on` is read as a key, though YAML takes it for true."""

    path: Path
    content: dict[str, Any]

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        jobs: dict[str, dict[str, Any]] = self.content["jobs"]
        return jobs

    @property
    def inputs(self) -> dict[str, dict[str, Any]]:
        inputs: dict[str, dict[str, Any]] = self.content["on"]["workflow_dispatch"]["inputs"]
        return inputs

    def steps(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, job in self.jobs.items():
            for step in job["steps"]:
                yield name, step

    def runs(self) -> list[Run]:
        return [Run(job, step, self.jobs[job].get("env", {})) for job, step in self.steps() if "run" in step]

    def run(self, words: str, job: str | None = None) -> Run:
        """The one step whose command has these words."""
        (run,) = [candidate for candidate in self.runs() if words in candidate.command and job in {None, candidate.job}]
        return run


@dataclass(frozen=True)
class Run:
    """A step that runs a command."""

    job: str
    step: dict[str, Any]
    job_environment: dict[str, str]

    @property
    def command(self) -> str:
        return str(self.step["run"])

    @property
    def environment(self) -> dict[str, str]:
        """What the `env` of job and step ask for, expressions unfilled."""
        return {**self.job_environment, **self.step.get("env", {})}

    def filled(self, values: dict[str, str]) -> dict[str, str]:
        """Its environment with every `${{ expression }}` replaced by the value that GitHub would give."""
        return {name: EXPRESSION.sub(lambda match: values[match[1]], text) for name, text in self.environment.items()}


def workflow(name: str) -> Workflow:
    path = FOLDER / name
    content = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 (strings alone: the safest)
    return Workflow(path, content)


def workflows() -> list[Workflow]:
    return [workflow(path.name) for path in sorted(FOLDER.glob("*.yml"))]
