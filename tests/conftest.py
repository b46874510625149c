"""What all tests share."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections import defaultdict
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, settings

SHARED_OUT = "EVERGREEN_SHARED_OUT"
"""A folder where each of several test processes notes which files it runs; without it, one process runs all."""

# A busy machine is no failure: properties are judged by what they find, pytest's own timeout by how long it takes.
# Each run tries other examples than the last, fewer of slow properties (`few`); `make fuzz-inputs` tries many.
settings.register_profile(
    "evergreen",
    max_examples=int(os.environ.get("GENERATED_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("evergreen")

# Two test processes run side by side: threads of two trainings that wait for one another would slow both down.
os.environ["OMP_NUM_THREADS"] = "1"

# What torch and Google's clients hold lives as long as the tests: not to be searched again every few hundred objects.
gc.set_threshold(50_000)

# A shell without a terminal starts what it puts in the background deaf to SIGINT, and so are the commands under test.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """True for a test whose file another process runs: it is no test of this one."""
    folder = os.environ.get(SHARED_OUT)
    if not folder:
        return None
    file = item.nodeid.partition("::")[0]
    note, mine = Path(folder) / file.replace("/", "+"), f"{file} {os.getpid()}"
    with contextlib.suppress(FileExistsError):
        note.symlink_to(mine)  # one process alone can make it
    if note.readlink() == Path(mine):
        return None
    # What the last test of this process kept for this one, as of one folder: pytest ends it after a test that it ran.
    item.session._setupstate.teardown_exact(nextitem)
    return True


def pytest_sessionfinish() -> None:
    """Notes that this process has not died: it has run the files that it took."""
    if folder := os.environ.get(SHARED_OUT):
        with contextlib.suppress(FileNotFoundError):  # all were stopped, and the folder is gone
            (Path(folder) / f"finished-{os.getpid()}").touch()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What each tier took in this process."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[_tier(report.nodeid)] += report.duration
    for tier, took in seconds.items():
        terminalreporter.write_line(f"{tier:<12} {int(took) // 60} min {int(took) % 60:02d} s")


def _tier(nodeid: str) -> str:
    """The folder of a test below `tests`; the file itself where it lies in none."""
    parts = PurePosixPath(nodeid.partition("::")[0]).parts
    return parts[1] if parts[0] == "tests" and len(parts) > 1 else parts[0]
