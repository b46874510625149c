"""The servers that `bench.serving` compares, and what they are asked."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.load import write_bodies
from bench.models import TextSize, write_picture_model, write_text_model
from bench.servers import POLL_S, ServerProcess
from evergreen.adapters.local_endpoint.endpoint import LocalEndpoint
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.core.engines import CHOICE_NAME, ENGINES_FOLDER, EngineChoice
from evergreen.core.errors import EvergreenError
from evergreen.runtime.processes import PATIENT_THREADS, free_port, log_tail
from evergreen.serving.engine_plan import COMPARED_FIRST

COUNT = 500
FEW = 64
"""Requests before memory is read."""
CHANGED_WITHIN_S = 60.0
SIDE_PX = 128
WORDS = ("the", "of", "shares", "after", "bank", "in", "company", "raised", "profit", "forecast", "year", "minister")
"""Generated texts are about as long as those of AG News: 53 tokens on average."""


class TextContestants:
    """Servers of one model of texts, in `folder`, with the bodies that they are asked."""

    def __init__(self, folder: Path, size: TextSize, peers: Path | None) -> None:
        folder.mkdir()
        self._folder = folder
        self._peers = peers
        self.model = write_text_model(folder / "model", size, decided=True).path
        instances = [{"text": text} for text in texts(COUNT)]
        self._first = json.dumps({"instances": instances[:1]}).encode()
        self.bodies = write_bodies(folder / "bodies.jsonl", instances)
        self._inputs = write_bodies(folder / "records.jsonl", instances, "dataframe_records")

    def servers(self, profile: Path | None = None) -> list[ServerProcess]:
        """All of them; ours writes to `profile` what its threads are at."""
        served = [self.evergreen({}, profile), self._baseline("tutorial", "bench.baselines.tutorial_server")]
        if self._peers is not None:
            served.append(self._litserve(self._peers))
        return [*served, self._mlflow()]

    def evergreen(self, environment: Mapping[str, str], profile: Path | None = None) -> ServerProcess:
        """Our server, as in a container."""
        return evergreen_server(self.model, self._folder / "evergreen.log", self._first, environment, profile)

    def elsewhere(self) -> ServerProcess:
        """The same on another kind of processor than its engine was judged on: float32 begins, and may be replaced."""
        model = self._folder / "elsewhere"
        if not model.exists():
            shutil.copytree(self.model, model)
            choice = model / ENGINES_FOLDER / CHOICE_NAME
            judged = EngineChoice.model_validate_json(choice.read_bytes())
            choice.write_text(judged.model_copy(update={"instruction_set": "another"}).model_dump_json())
        return evergreen_server(model, self._folder / "elsewhere.log", self._first, {})

    def few(self) -> list[bytes]:
        """Bodies that each server answers before its memory is read."""
        return self.bodies.read_bytes().splitlines()[:FEW]

    def _baseline(self, name: str, module: str) -> ServerProcess:
        port = free_port()
        command = [sys.executable, "-m", module, str(self.model), str(port)]
        return ServerProcess(
            name, command, f"http://127.0.0.1:{port}/predict", self._first, self._folder / f"{name}.log"
        )

    def _litserve(self, peers: Path) -> ServerProcess:
        port = free_port()
        script = Path(__file__).parent / "baselines" / "litserve_server.py"
        command = [str(peers / "bin" / "python"), str(script), str(self.model), str(port)]
        url = f"http://127.0.0.1:{port}/predict"
        return ServerProcess("litserve", command, url, self._first, self._folder / "litserve.log")

    def _mlflow(self) -> ServerProcess:
        port, target = free_port(), self._folder / "mlflow-model"
        saving = [sys.executable, "-m", "bench.baselines.mlflow_model", str(self.model), str(target)]
        subprocess.run(saving, check=True, capture_output=True)
        command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(target)]
        command += ["--env-manager", "local", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
        first = self._inputs.read_bytes().partition(b"\n")[0]
        url = f"http://127.0.0.1:{port}/invocations"
        path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}  # where it looks for uvicorn
        return ServerProcess("mlflow", command, url, first, self._folder / "mlflow.log", path, self._inputs)


def evergreen_server(
    model: Path, log: Path, first: bytes, environment: Mapping[str, str], profile: Path | None = None
) -> ServerProcess:
    """Our server of a model, with its log and a body that it answers."""
    port = free_port()
    variables = {"AIP_STORAGE_URI": str(model), "AIP_HTTP_PORT": str(port), **environment}
    module = "evergreen.serving" if profile is None else "bench.profiled_server"
    command = [sys.executable, "-m", module, *([] if profile is None else [str(profile)])]
    return ServerProcess("evergreen", command, f"http://127.0.0.1:{port}/predict", first, log, variables)


def wait_changed_over(log: Path, within_s: float = CHANGED_WITHIN_S) -> None:
    """Returns once our server compares engines no more. Raises EvergreenError: it still does."""
    until = time.monotonic() + within_s
    while _is_comparing(log):
        if time.monotonic() >= until:
            raise EvergreenError(
                f"engines are still compared after {within_s:g} s; its log ends with:\n{log_tail(log)}"
            )
        time.sleep(POLL_S)


def _is_comparing(log: Path) -> bool:
    events = [line for line in log.read_text(encoding="utf-8").splitlines() if '"event": "engine' in line]
    return bool(events) and str(json.loads(events[-1]).get("reason", "")).endswith(COMPARED_FIRST)


def picture_servers(folder: Path, model: Path, instances: Sequence[Any]) -> list[ServerProcess]:
    """Ours, and the tutorial's."""
    first = json.dumps({"instances": instances[:1]}).encode()
    port = free_port()
    command = [sys.executable, "-m", "bench.baselines.tutorial_picture_server", str(model), str(port)]
    url = f"http://127.0.0.1:{port}/predict"
    one_by_one = ServerProcess("one by one", command, url, first, folder / "tutorial.log", PATIENT_THREADS)
    return [evergreen_server(model, folder / "evergreen.log", first, {}), one_by_one]


def picture_model(folder: Path) -> Path:
    """A model of pictures."""
    return write_picture_model(folder / "model").path


def pictures(count: int = 32) -> list[dict[str, str]]:
    """Instances of drawn scenes, as JPEG."""
    from evergreen.adapters.shapes.scene import draw_scene
    from evergreen.tasks.image_segmentation.images import encode_jpeg
    from evergreen.tasks.image_segmentation.servable import instance_of

    return [instance_of(encode_jpeg(draw_scene(0, number, SIDE_PX)[0])) for number in range(count)]


def picture_costs(model: Path, instances: Sequence[Any]) -> tuple[float, float]:
    """Seconds in which a picture is decoded, and its mask encoded."""
    from evergreen.tasks import load_predictor

    predictor = load_predictor(model, None)
    began = time.perf_counter()
    batch = predictor.decode(instances)
    decoded = time.perf_counter()
    outputs = predictor.predict(batch)
    predicted = time.perf_counter()
    predictor.encode(outputs)
    return (decoded - began) / len(instances), (time.perf_counter() - predicted) / len(instances)


def texts(count: int) -> list[str]:
    """News of AG News, or generated texts as long."""
    path = os.environ.get("EVERGREEN_AG_NEWS")
    if path:
        with Path(path).open(encoding="utf-8", newline="") as file:
            return [row["content"] for row, _ in zip(csv.DictReader(file), range(count), strict=False)]
    draw = random.Random(0)  # noqa: S311 - texts, no secret
    return [" ".join(draw.choices(WORDS, k=max(10, round(draw.gauss(50, 18))))) for _ in range(count)]


@contextmanager
def two_versions(folder: Path) -> Iterator[tuple[LocalEndpoint, tuple[str, str], str, Path]]:
    """A live endpoint, its two versions, its address, and the bodies that it is asked."""
    folder.mkdir()
    models = [write_text_model(folder / f"model-{seed}", "minilm", seed) for seed in (0, 1)]
    endpoint = LocalHost(LocalHostSettings(port=0)).open("serving", folder / "state")
    try:
        for model in models:
            endpoint.upload(model.version, model.path)
            endpoint.deploy(model.version)
        first, second = (model.version for model in models)
        endpoint.set_traffic({first: 100})
        bodies = write_bodies(folder / "bodies.jsonl", [{"text": text} for text in texts(COUNT)])
        yield endpoint, (first, second), str(endpoint.status().url), bodies
    finally:
        endpoint.delete()
