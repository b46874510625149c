"""A checkout as a user has it: the real commands in their own processes, with a ZenML of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from evergreen.adapters.mlflow.mirror import MlflowMirror
from tests.own_zenml import ROOT, environment, python

FEW = 64
"""Training inputs that engines are compared on at most: what 2,000 would admit is no matter of whole runs."""


@dataclass(frozen=True)
class Project:
    """Commands of a checkout against the ZenML configuration in `home`; configurations are written to `home` too.

    `site` holds packages that are installed for this project alone.
    """

    home: Path
    checkout: Path = ROOT
    site: Path | None = None

    @property
    def zenml(self) -> Path:
        return self.home / "zenml"

    def configuration(self, name: str, base: str = "local.yaml", **changes: Any) -> Path:
        """A configuration of configs/ on a free port, some parameters changed; few rows compare engines."""
        document = yaml.safe_load((ROOT / "configs" / base).read_text(encoding="utf-8"))
        parameters = document["parameters"]
        quick = {"engines": {"max_train_rows": FEW}} if "task" in parameters else {}
        for parameter, given in {"host": {"port": 0}, **quick, **changes}.items():
            fields = parameters.get(parameter, {})
            parameters[parameter] = {**fields, **given} if isinstance(given, Mapping) else given
        path = self.home / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path

    def python(self, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A finished `python …` in the checkout."""
        done = python(self.zenml, *map(str, arguments), cwd=self.checkout, site=str(self.site or ""))
        if check and done.returncode:
            raise AssertionError(f"{arguments} exited with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def run(self, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A finished `python run.py …`."""
        return self.python("run.py", *arguments, check=check)

    @contextmanager
    def start(self, *arguments: object) -> Iterator[subprocess.Popen[str]]:
        """A running `python run.py …` in a process group of its own, killed when the block ends; stdout holds all."""
        with subprocess.Popen(
            [sys.executable, "run.py", *map(str, arguments)],
            cwd=self.checkout,
            env=environment(self.zenml),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def status(self, config: Path) -> dict[str, Any]:
        """`run.py status --json`."""
        return dict(first_json(self.run("status", "--config", config, "--json").stdout))

    def kept(self, result: str) -> list[Path]:
        """What the artifact store holds of a step's results that are values."""
        return list(self.zenml.glob(f"local_stores/*/{result}/**/data_v2.json"))

    def last_report(self) -> dict[str, Any]:
        """The newest evaluation report in the artifact store."""
        newest = max(self.kept("evaluate/report"), key=lambda path: path.stat().st_mtime)
        return dict(json.loads(newest.read_text(encoding="utf-8")))

    def endpoint_processes(self) -> list[int]:
        """Process ids of the front and the workers, which carry this project's home in environment or arguments."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            command = " ".join(process.info["cmdline"] or ())
            if ("evergreen.serving" in command or "local_endpoint" in command) and self._owns(process):
                found.append(process.pid)
        return sorted(found)

    def mlflow_aliases(self, model: str) -> dict[str, str]:
        """Versions by alias, as the MLflow registry holds them."""
        database = next(self.zenml.glob("local_stores/*/mlflow.db"))
        mirror = MlflowMirror(loader="evergreen.tasks:load_predictor", tracking_uri=f"sqlite:///{database}")
        return {str(alias): version for alias, version in mirror.read(model).aliases.items()}

    def artifacts_without_page(self) -> list[str]:
        """Directory and value artifacts in the store that the dashboard would show nothing of."""
        kept = [path for name in ("content.tar", "data_v2.json") for path in self.zenml.glob(f"local_stores/**/{name}")]
        return sorted(str(path.parent) for path in kept if not (path.parent / "page.html").is_file())

    def files_holding(self, text: str) -> list[str]:
        """Files of ZenML, MLflow and endpoint (databases, artifacts, logs, state) that hold the text."""
        wanted = text.encode()
        return sorted(str(path) for path in self.zenml.rglob("*") if path.is_file() and wanted in path.read_bytes())

    def _owns(self, process: psutil.Process) -> bool:
        try:
            return str(self.home) in " ".join([*process.cmdline(), *process.environ().values()])
        except psutil.Error:
            return False


def first_json(text: str) -> Any:
    """The first line of a text that is a JSON object."""
    return json.loads(next(line for line in text.splitlines() if line.startswith("{")))


def without_timings(report: dict[str, Any]) -> dict[str, Any]:
    """A report without the only parts that may differ between equal runs: those are measured seconds."""
    sections = [section for section in report["sections"] if section["kind"] != "engines"]
    return {key: value for key, value in report.items() if key != "timings"} | {"sections": sections}


def cached_steps(run: subprocess.CompletedProcess[str]) -> list[str]:
    """The steps that a run answered from cache, in order."""
    lines = (run.stdout + run.stderr).splitlines()
    return [line.split("`")[1] for line in lines if line.startswith("Using cached version of step")]


def terminate(pid: int, signal_number: int) -> None:
    """Sends a signal to a process that may be gone already."""
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        return
