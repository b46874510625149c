"""A container is a process: own `/app`, clean environment, log file, memory limit, exit code, stopped as a group."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import psutil

from cloudbox.credentials import ensure_account
from cloudbox.errors import ApiError
from cloudbox.home import Home
from cloudbox.vertex.images import Image, image_for
from cloudbox.vertex.sandbox import NAMESPACES, Sandbox
from cloudbox.vertex.store import new_id

log = logging.getLogger(__name__)

GRACE_S = 10.0
WATCH_S = 0.5
OUT_OF_MEMORY = 137
"""Exit code of a container that was killed for its memory, as Docker gives it."""


@dataclass(frozen=True)
class ContainerSpec:
    """What is to run; `memory_bytes` limits the resident memory of all its processes together."""

    image: str
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int | None = None
    account: str = ""
    """The service account that it runs as; without one, the box's own."""


class Container:
    """One running or finished container."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], memory_bytes: int | None) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.process = process
        self.memory_bytes = memory_bytes
        self.out_of_memory = False

    def exit_code(self) -> int | None:
        """None while it runs; otherwise 0 to 255, 128 + n for signal n."""
        return self._code(self.process.poll())

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Its exit code, or None when it still runs after the timeout."""
        try:
            return self._code(self.process.wait(timeout_s))
        except subprocess.TimeoutExpired:
            return None

    def signal(self, number: int) -> None:
        """Send a signal to its process group; one that is gone already is left alone."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            log.debug("container %s is gone already", self.folder.name)

    def stop(self, grace_s: float = GRACE_S) -> None:
        """SIGTERM to its process group, SIGKILL to what is left of it after the grace."""
        self.signal(signal.SIGTERM)
        self.wait(grace_s)
        self.signal(signal.SIGKILL)
        self.wait()

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self.exit_code() is None:
            self.signal(signal.SIGKILL)

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def resident_bytes(self) -> int:
        """Resident memory of its process and all below it."""
        total = 0
        try:
            top = psutil.Process(self.process.pid)
            for process in (top, *top.children(recursive=True)):
                total += process.memory_info().rss
        except psutil.NoSuchProcess:
            return total
        return total

    def _code(self, code: int | None) -> int | None:
        if code is None:
            return None
        if self.out_of_memory:
            return OUT_OF_MEMORY
        return code if code >= 0 else 128 - code


class Containers:
    """Starts containers and watches their memory; finds and stops those that a killed service left behind.

    Each `service` has its own, which no other stops.
    """

    def __init__(self, home: Home, namespaces: Sequence[str] = NAMESPACES, service: str = "vertex") -> None:
        self._home = home
        self._folder = home.state(service) / "containers"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._stop_leftovers()
        self._sandbox = Sandbox(self._folder, namespaces)
        self._running: set[Container] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="memory", daemon=True).start()

    def start(self, spec: ContainerSpec, name: str) -> Container:
        """A started container. Raises ApiError: FAILED_PRECONDITION for an image that stands for nothing."""
        if self._closed.is_set():
            raise ApiError(grpc.StatusCode.UNAVAILABLE, "The service is stopping.")
        image = image_for(self._home, spec.image)
        command = [*(spec.command or image.command), *spec.args]
        folder = self._folder / f"{name}-{new_id()[-6:]}"
        app, root = folder / "app", folder / "root"
        for path in (root, folder / "home", folder / "tmp"):
            path.mkdir(parents=True)
        if image.code:
            shutil.copytree(image.code, app, symlinks=True)
        else:
            app.mkdir()
        argv = self._sandbox.enter(app, root, command or ["false"])
        env = _environment(image, {**self._identity(image, spec.account), **spec.env}, folder)
        log.info("container %s: %s %s", folder.name, spec.image, " ".join(command[:3])[:120].replace("\n", " "))
        with (folder / "log").open("ab") as output:
            if not command:
                output.write(f"image {spec.image} has no command: give one, or set it in images.json\n".encode())
            process = subprocess.Popen(
                argv, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        _remember(folder, process.pid)
        container = Container(folder, process, spec.memory_bytes)
        with self._lock:
            self._running.add(container)
        return container

    def _identity(self, image: Image, account: str) -> dict[str, str]:
        """What makes Google's clients sign in as the account; Cloud Storage's own does not, and is told by address."""
        if not account or not self._home.credentials.is_file():
            return {}
        storage = image.env.get("STORAGE_EMULATOR_HOST")
        address = {"STORAGE_EMULATOR_HOST": f"{storage}/as/{account}"} if storage else {}
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(ensure_account(self._home, account)), **address}

    def close(self) -> None:
        """Stop every container."""
        self._closed.set()
        with self._lock:
            running = list(self._running)
        for container in running:
            container.signal(signal.SIGTERM)
        for container in running:
            container.stop()

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_S):
            with self._lock:
                ended = {candidate for candidate in self._running if candidate.exit_code() is not None}
                self._running -= ended
                limited = [candidate for candidate in self._running if candidate.memory_bytes]
            for container in ended:
                container.signal(signal.SIGKILL)  # what it left behind in its group goes with it
                _clear(container.folder)
            for container in limited:
                used = container.resident_bytes()
                if container.memory_bytes and used > container.memory_bytes:
                    container.out_of_memory = True
                    with container.log.open("a", encoding="utf-8") as output:
                        output.write(
                            f"killed: {used / 2**20:.0f} MiB used, {container.memory_bytes / 2**20:.0f} allowed\n"
                        )
                    container.signal(signal.SIGKILL)

    def _stop_leftovers(self) -> None:
        for path in self._folder.glob("*/process.json"):
            left = json.loads(path.read_text(encoding="utf-8"))
            try:
                process = psutil.Process(left["pid"])
                if abs(process.create_time() - left["started"]) < 1:
                    log.warning("stopping %s, left behind by a service that was killed", path.parent.name)
                    os.killpg(process.pid, signal.SIGKILL)
            except (psutil.NoSuchProcess, ProcessLookupError):
                log.debug("%s is gone", path.parent.name)
            _clear(path.parent)


def _clear(folder: Path) -> None:
    """Remove what a container that has ended had for itself; its log stays."""
    (folder / "process.json").unlink(missing_ok=True)
    for name in ("app", "home", "tmp", "root"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _remember(folder: Path, pid: int) -> None:
    try:
        started = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return
    (folder / "process.json").write_text(json.dumps({"pid": pid, "started": started}), encoding="utf-8")


def _environment(image: Image, env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What the image gives, then what the task gives; nothing of the service's own environment."""
    path = f"{image.python.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    own = {"PATH": path, "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "LANG": "C.UTF-8"}
    return {**own, **image.env, **env}
