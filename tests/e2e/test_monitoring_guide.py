"""What docs/monitoring.md shows under *From nothing to an alert* leads there; `make days` runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.project import Project
from tests.own_zenml import ROOT, TIMEOUT_S, environment
from tests.webhooks import listening

pytestmark = [pytest.mark.e2e, pytest.mark.days, pytest.mark.timeout(1800)]
GUIDE = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
SECTION = GUIDE.partition("## From nothing to an alert\n")[2].partition("\n## ")[0]
SHORT = {"max_length_tokens": 32, "epochs": 1, "max_train_rows": 480}
"""A fraction of what the guide trains: what moved is seen all the same."""


def block(language: str) -> str:
    """The one block of code in a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    return str(found)


def shown_lines(project: Project, webhook: str) -> list[str]:
    """The lines that are shown, with files of the test's own for those that they read and write."""
    lenient = {"minimum": {"accuracy": 0.5}, "class_floors": {}, "baselines": "report"}
    own = {
        "local.yaml": project.configuration("quick", task=SHORT, gate=lenient),
        "my-monitor.yaml": watched(project.home),
        "moved.tsv": project.home / "moved.tsv",
        "answers.csv": project.home / "answers.csv",
        "https://…": webhook,
    }
    lines = [line for line in block("bash").splitlines() if not line.startswith("make install")]
    assert len(lines) == len(block("bash").splitlines()) - 1
    return [re.sub("|".join(map(re.escape, own)), lambda found: str(own[found[0]]), line) for line in lines]


def watched(home: Path) -> Path:
    """The configuration that is shown, on a port of the test's own."""
    document = yaml.safe_load(block("yaml"))
    document["parameters"]["host"]["port"] = 0
    path = home / "my-monitor.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def test_the_shown_lines_lead_from_nothing_to_an_alert(project: Project) -> None:
    with listening() as webhook:
        script = "\n".join(["set -e", f'python() {{ {sys.executable} "$@"; }}', *shown_lines(project, webhook.url)])
        done = subprocess.run(
            ["/bin/bash", "-c", script],
            cwd=ROOT,
            env=environment(project.zenml),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    (told,) = webhook.messages
    assert (told["model"], told["kind"]) == ("bbc-news", "drift")
    shown, said = (
        re.findall(r"^verdict +drifted: .*; 600 rows of 60 requests$", text, re.MULTILINE)
        for text in (SECTION, done.stdout)
    )
    assert len(shown) == len(said) == 1
