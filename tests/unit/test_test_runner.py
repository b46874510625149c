"""`.ci/test`: two test processes whose last line is that of what failed, and what they leave when they are stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from tests import conftest as conftest_of_all
from tests.e2e import conftest
from tests.waiting import wait_until
from tests.workflows import ROOT

PYTHON = """#!/usr/bin/env bash
case " $* " in *" tests/unit "*) part=unit;; *" tests/integration tests/e2e "*) part=others;; *) part=e2e;; esac
echo "part $part of $(basename "$(dirname "$EVERGREEN_SHARED_OUT")")"
case " $BAD " in
*" died-$part "*) ln -s "tests/e2e/test_of_$part.py $$" "$EVERGREEN_SHARED_OUT/test_of_$part"; kill -KILL $$;;
*" hung-$part "*) : >"$STARTED-$part"; sleep 60;;
*" $part "*) echo "= 1 failed in $part ="; exit 1;;
esac
: >"$EVERGREEN_SHARED_OUT/finished-$$"
echo "= 3 passed in $part ="
"""


def started(tmp_path: Path, bad: str) -> subprocess.Popen[str]:
    python = tmp_path / "python"
    python.write_text(PYTHON, encoding="utf-8")
    python.chmod(0o755)
    (tmp_path / "scratch").mkdir()
    return subprocess.Popen(
        [str(ROOT / ".ci" / "test"), str(python)],
        env={**os.environ, "BAD": bad, "TMPDIR": str(tmp_path / "scratch"), "STARTED": str(tmp_path / "started")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(
    ("bad", "last", "code"),
    [
        ("", "= 3 passed in others =", 0),
        ("unit", "= 1 failed in unit =", 1),
        ("others", "= 1 failed in others =", 1),
        ("e2e", "= 1 failed in e2e =", 1),
        ("unit e2e", "= 1 failed in e2e =", 1),
    ],
)
def test_the_last_line_is_that_of_what_failed(bad: str, last: str, code: int, tmp_path: Path) -> None:
    with started(tmp_path, bad) as runner:
        output, _ = runner.communicate(timeout=30)
    assert (output.splitlines()[-1], runner.returncode) == (last, code), output
    assert all(f"part {part} of" in output for part in ("unit", "others", "e2e"))
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("part", ["others", "e2e"])
def test_files_of_a_process_that_died_are_named(part: str, tmp_path: Path) -> None:
    with started(tmp_path, f"died-{part}") as runner:
        output, _ = runner.communicate(timeout=30)
    assert runner.returncode == 128 + signal.SIGKILL
    assert f"not finished: tests/e2e/test_of_{part}.py" in output
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_run_that_is_stopped_prints_what_there_is_and_leaves_nothing(tmp_path: Path) -> None:
    with started(tmp_path, "hung-others hung-e2e") as runner:
        wait_until(lambda: (tmp_path / "started-others").exists() and (tmp_path / "started-e2e").exists())
        runner.terminate()
        output, _ = runner.communicate(timeout=30)
    assert runner.returncode == 128 + signal.SIGTERM
    assert "= 3 passed in unit =" in output
    assert "part others of" in output
    assert list((tmp_path / "scratch").iterdir()) == []


@dataclass(frozen=True)
class Item:
    path: Path
    limit_s: float | None = None

    def get_closest_marker(self, _: str) -> Any:
        return None if self.limit_s is None else pytest.mark.timeout(self.limit_s).mark


def test_files_come_whole_and_the_longest_first() -> None:
    here = Path(conftest.__file__).parent
    short, mixed, long = (here / f"test_{name}.py" for name in ("new", "mixed", "my_data"))
    elsewhere = Item(here.parent / "unit" / "test_links.py")
    items = [Item(mixed), Item(short), elsewhere, Item(mixed, 1800), Item(long), Item(mixed)]
    ordered = items.copy()
    conftest.pytest_collection_modifyitems(cast("list[pytest.Item]", ordered))
    assert ordered == [Item(long), Item(mixed), elsewhere, Item(mixed, 1800), Item(mixed), Item(short)]


def test_a_file_that_the_other_process_runs_keeps_nothing_of_its_folder_open(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("folder/test_one.py", "folder/test_two.py", "test_three.py")}
    (tmp_path / "folder").mkdir()
    for path in files.values():
        path.write_text("def test_it():\n    pass\n", encoding="utf-8")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "folder+test_two.py").symlink_to("folder/test_two.py 1")
    pytest_alone = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*pytest_alone, "--rootdir", tmp_path, *files.values()],
        cwd=ROOT,
        env={**os.environ, conftest_of_all.SHARED_OUT: str(shared), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout.splitlines()[-1]
