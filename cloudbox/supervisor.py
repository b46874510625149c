"""The one process that keeps the services running: `python -m cloudbox.supervisor --home H`.

A service that ends is started again, after a pause that doubles while it keeps ending. The supervisor is also the
parent that collects ended processes, which on many machines and in most containers nobody else would do for commands
that return. When it ends itself, the services go on; the next supervisor takes over those that it finds.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import psutil

from cloudbox import processes
from cloudbox.box import Box, open_box
from cloudbox.environment import service_environment
from cloudbox.home import Home
from cloudbox.processes import ProcessId
from cloudbox.services import SERVICES

NAME = "supervisor"
POLL_EVERY_S = 0.25
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
STABLE_AFTER_S = 20.0


@dataclass(frozen=True)
class Run:
    """What is known of a service's process: who it is, how often it was started again, and how often in a row."""

    process: ProcessId
    restarts: int = 0
    failures: int = 0


def read_run(home: Home, service: str) -> Run | None:
    """The last process of a service; None when it was never started since the box was down."""
    try:
        content = json.loads(home.process(service).read_text())
    except FileNotFoundError:
        return None
    return Run(ProcessId(**content.pop("process")), **content)


def write_run(home: Home, service: str, run: Run) -> None:
    """Keeps which process runs a service."""
    home.write(home.process(service), json.dumps(asdict(run)) + "\n")


def wanted_file(home: Home) -> Path:
    """The names of the services that are to run; read again and again, so that more may be asked for."""
    return home.path / "run" / "wanted"


class Supervisor:
    """Keeps every wanted service of a box running until it is told to stop."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.stopped = False
        self.children: dict[str, psutil.Popen] = {}
        self.not_before: dict[str, float] = {}

    def stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 (a signal handler's signature)
        """Leaves the services as they are: `down` stops them once nobody starts them again."""
        self.stopped = True

    def watch(self) -> None:
        """Returns when stopped."""
        while not self.stopped:
            for service in wanted_file(self.box.home).read_text().split():
                self._heal(service)
            self._pause()
        self._stop_orphans()

    def _stop_orphans(self) -> None:
        """Ends what killed services left behind: containers, which have sessions of their own."""
        processes.stop_orphans({child.pid for child in self.children.values()})

    def _pause(self) -> None:
        """Waits until the next poll, or until a child ends; collects ended children."""
        if self.children:
            ended, _ = psutil.wait_procs(list(self.children.values()), timeout=POLL_EVERY_S)
            self.children = {name: child for name, child in self.children.items() if child not in ended}
        else:
            time.sleep(POLL_EVERY_S)

    def _heal(self, service: str) -> None:
        run = read_run(self.box.home, service)
        if run and processes.find(run.process):
            return
        if run is None:
            self._start(service, restarts=0, failures=0)
        elif service not in self.not_before:
            lived_s = time.time() - psutil.boot_time() - run.process.started
            failures = run.failures + 1 if lived_s < STABLE_AFTER_S else 1
            write_run(self.box.home, service, Run(run.process, run.restarts, failures))
            pause = min(FIRST_PAUSE_S * 2 ** (failures - 1), LONGEST_PAUSE_S)
            self.not_before[service] = time.monotonic() + pause
            print(f"{service} (pid {run.process.pid}) has ended; starting it again in {pause:g} s", flush=True)
            processes.stop([run.process])  # the rest of its session, which would hold its ports
            self._stop_orphans()
        elif time.monotonic() >= self.not_before[service]:
            del self.not_before[service]
            self._start(service, run.restarts + 1, run.failures)

    def _start(self, service: str, restarts: int, failures: int) -> None:
        definition, home = SERVICES[service], self.box.home
        environment = {**service_environment(self.box, service), **definition.environment(self.box)}
        child = processes.start(definition.command(self.box), environment, home.state(service), home.log(service))
        self.children[service] = child
        write_run(home, service, Run(ProcessId.of(child), restarts, failures))
        print(f"{service} started, pid {child.pid}", flush=True)


def main() -> None:
    """Supervises the box of a home; `python -m cloudbox up` starts this."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    processes.adopt_orphans()
    supervisor = Supervisor(open_box(Home(parser.parse_args().home)))
    signal.signal(signal.SIGTERM, supervisor.stop)
    signal.signal(signal.SIGINT, supervisor.stop)
    supervisor.watch()


if __name__ == "__main__":
    main()
