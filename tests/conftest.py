"""What all tests share."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from pathlib import PurePosixPath

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no failure: properties are judged by what they find, pytest's own timeout by how long it takes.
settings.register_profile("evergreen", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("evergreen")

# Two test processes run side by side: threads of two trainings that wait for one another would slow both down.
os.environ["OMP_NUM_THREADS"] = "1"

# A shell without a terminal starts what it puts in the background deaf to SIGINT, and so are the commands under test.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
