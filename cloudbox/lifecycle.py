"""Starting, watching and stopping a box: what `python -m cloudbox up`, `restart`, `down` and `status` do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Literal, TypedDict

import httpx
from filelock import FileLock

from cloudbox import processes, refusals, supervisor
from cloudbox.box import Box, BoxError, check_owner, is_free
from cloudbox.certificates import ensure_certificates
from cloudbox.credentials import ensure_credentials
from cloudbox.environment import service_environment
from cloudbox.home import Home
from cloudbox.processes import ProcessId
from cloudbox.services import SERVICES, Service
from cloudbox.supervisor import Run, read_run, wanted_file, write_run

UP_WITHIN_S = 120.0
ASK_EVERY_S = 0.1
GIVE_UP_AFTER_FAILURES = 3
LOG_LINES = 8


class ServiceStatus(TypedDict):
    """One service: what it does, who runs it, how often it was started again, where it and its log are."""

    state: Literal["answers", "does not answer", "ended", "stopped"]
    pid: int | None
    restarts: int
    address: str
    log: str


class BoxStatus(TypedDict):
    """A box: where it is, whether something keeps its services running, and what it refused so far."""

    home: str
    project: str
    region: str
    supervised: bool
    refusals: int
    services: dict[str, ServiceStatus]


def up(box: Box, names: Sequence[str], progress: Callable[[str], None]) -> None:
    """Returns once every named service answers; what runs already is left alone.

    Raises:
        BoxError: a port is taken by a stranger, or a service does not answer; its log is named.
    """
    services = [SERVICES[name] for name in names]
    with _lock(box.home):
        ensure_certificates(box)
        ensure_credentials(box)
        for service in services:
            _refuse_taken_ports(box, service)
            service.prepare(box)
        wanted = {*_wanted(box.home), *names}
        box.home.write(wanted_file(box.home), "\n".join(name for name in SERVICES if name in wanted) + "\n")
        _ensure_supervisor(box)
        began = time.monotonic()
        with ThreadPoolExecutor(len(services)) as pool:
            waiting = [pool.submit(_wait_for, box, service, began) for service in services]
            problems = []
            for done in as_completed(waiting):
                if error := done.exception():
                    problems.append(str(error))
                else:
                    progress(done.result())
    if problems:
        raise BoxError("\n".join(problems))


def restart(box: Box, name: str, progress: Callable[[str], None]) -> None:
    """Ends a service, as its machine's restart would, and returns once its next process answers.

    Raises:
        BoxError: it does not run, or does not answer afterwards; its log is named.
    """
    with _lock(box.home):
        run = read_run(box.home, name)
        if run is None or not processes.find(run.process):
            raise BoxError(f"{name} does not run; start it: python -m cloudbox --home {box.home.path} up")
        _ensure_supervisor(box)  # which starts it again
        processes.stop([run.process])
        progress(_wait_for(box, SERVICES[name], time.monotonic()))


def down(home: Home) -> list[str]:
    """The names of what was stopped: first the supervisor, so that nothing is started again, then every service."""
    with _lock(home):
        if keeper := read_run(home, supervisor.NAME):
            processes.stop_alone(keeper.process)
        runs = {name: run for name in SERVICES if (run := read_run(home, name))}
        stopped = [name for name, run in runs.items() if processes.find(run.process)]
        processes.stop([run.process for run in runs.values()])
        for name in (supervisor.NAME, *runs):
            home.process(name).unlink(missing_ok=True)
        wanted_file(home).unlink(missing_ok=True)
        return stopped


def status(box: Box) -> BoxStatus:
    """What the box does now."""
    keeper = read_run(box.home, supervisor.NAME)
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        states = pool.map(lambda service: _service_status(box, service), SERVICES.values())
    return BoxStatus(
        home=str(box.home.path),
        project=box.project,
        region=box.region,
        supervised=bool(keeper and processes.find(keeper.process)),
        refusals=len(refusals.listed(box.home)),
        services=dict(zip(SERVICES, states, strict=True)),
    )


def _service_status(box: Box, service: Service) -> ServiceStatus:
    run = read_run(box.home, service.name)
    runs = run is not None and processes.find(run.process) is not None
    state: Literal["answers", "does not answer", "ended", "stopped"]
    if run is None:
        state = "stopped"
    elif not runs:
        state = "ended"
    else:
        state = "answers" if service.answers(box) else "does not answer"
    return ServiceStatus(
        state=state,
        pid=run.process.pid if run and runs else None,
        restarts=run.restarts if run else 0,
        address=service.address(box),
        log=str(box.home.log(service.name)),
    )


def _lock(home: Home) -> FileLock:
    check_owner(home)
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return FileLock(home.path / "lock")


def _wanted(home: Home) -> list[str]:
    return wanted_file(home).read_text().split() if wanted_file(home).is_file() else []


def _refuse_taken_ports(box: Box, service: Service) -> None:
    run = read_run(box.home, service.name)
    if run:
        return  # its own process, or what that left behind and the supervisor clears away
    for name, port in box.ports[service.name].items():
        if not is_free(port):
            raise BoxError(
                f"port {port} ({service.name}, {name}) is taken by another program; "
                f"stop it, or delete {box.home.box} and {box.home.credentials} to have new ports chosen"
            )


def _ensure_supervisor(box: Box) -> None:
    home = box.home
    run = read_run(home, supervisor.NAME)
    if run and processes.find(run.process):
        return
    home.state(supervisor.NAME).mkdir(mode=0o700, exist_ok=True)
    child = processes.start(
        [sys.executable, "-m", "cloudbox.supervisor", "--home", str(home.path)],
        service_environment(box, supervisor.NAME),
        home.state(supervisor.NAME),
        home.log(supervisor.NAME),
    )
    write_run(home, supervisor.NAME, Run(ProcessId.of(child)))


def _wait_for(box: Box, service: Service, began: float) -> str:
    """A line that says where the service answers."""
    before = read_run(box.home, service.name)
    known_failures = before.failures if before else 0
    while not ((run := read_run(box.home, service.name)) and processes.find(run.process) and service.answers(box)):
        keeps_ending = run is not None and run.failures - known_failures >= GIVE_UP_AFTER_FAILURES
        if keeps_ending or time.monotonic() - began > UP_WITHIN_S:
            why = "keeps ending" if keeps_ending else f"did not answer within {UP_WITHIN_S:g} s"
            raise BoxError(_complaint(box, service.name, why))
        time.sleep(ASK_EVERY_S)
    try:
        service.settle(box)
    except httpx.HTTPError as error:
        raise BoxError(_complaint(box, service.name, f"answers, but could not be set up: {error}")) from error
    line = f"{service.name:9} {service.address(box)}  ({time.monotonic() - began:.1f} s)"
    return "\n".join(filter(None, [line, service.caveat(box)]))


def _complaint(box: Box, service: str, why: str) -> str:
    log = box.home.log(service)
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.is_file() else []
    return "\n".join([f"{service} {why}; see {log}", *(f"  {line}" for line in lines)])
