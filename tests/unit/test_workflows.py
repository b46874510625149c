"""The workflows keep the rules that make them safe, and run nothing but documented commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commands.parser import COMMANDS
from tests.workflows import FOLDER, ROOT, Workflow, workflow, workflows

PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
LIMIT = re.compile(r"timeout --kill-after=\d+ \"\$\w+\" ")
COMMAND = re.compile(r"(?:\.venv/bin/)?python (?:run\.py|-m) ")
RIGHTS = {
    ("deliver.yml", "deliver"): {"contents": "read", "id-token": "write"},
    ("deliver.yml", "report"): {"contents": "read", "pull-requests": "write", "statuses": "write"},
}
"""Of the jobs that may do more than read the code."""


def every() -> list[Any]:
    return [pytest.param(workflow, id=workflow.path.name) for workflow in workflows()]


def documented() -> str:
    return "\n".join(path.read_text("utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def targets() -> set[str]:
    """The targets that `make help` lists."""
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def lint(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which(tool, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if program is None:
        pytest.skip(f"{tool} is not installed (make install-dev)")
    return subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_there_are_the_workflows_of_every_push_and_of_a_delivery() -> None:
    assert {workflow.path.name for workflow in workflows()} >= {"ci.yml", "deliver.yml"}


def test_the_files_follow_the_schema_of_workflows() -> None:
    files = [str(workflow.path) for workflow in workflows()]
    done = lint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)
    assert done.returncode == 0, done.stdout


def test_the_linter_of_workflows_has_nothing_to_say() -> None:
    done = lint("zizmor", "--offline", "--no-progress", str(FOLDER))
    assert done.returncode == 0, done.stdout


def test_the_linter_would_speak(tmp_path: Path) -> None:
    bad = workflow("deliver.yml").path.read_text("utf-8").replace('"$CONFIGURATION"', '"${{ inputs.configuration }}"')
    (tmp_path / "bad.yml").write_text(bad, "utf-8")
    done = lint("zizmor", "--offline", "--no-progress", str(tmp_path / "bad.yml"))
    assert done.returncode != 0
    assert "template-injection" in done.stdout


@pytest.mark.parametrize("file", every())
def test_an_action_is_pinned_by_its_commit_and_its_version_stands_beside_it(file: Workflow) -> None:
    used = re.findall(r"\buses: (.+)", file.path.read_text("utf-8"))
    assert used
    assert [line for line in used if not PINNED.fullmatch(line)] == []


def test_an_action_has_one_pin_everywhere() -> None:
    text = "".join(workflow.path.read_text("utf-8") for workflow in workflows())
    pins = {line.partition("@")[0]: line for line in re.findall(r"\buses: (.+)", text)}
    assert set(re.findall(r"\buses: (.+)", text)) == set(pins.values())


@pytest.mark.parametrize("file", every())
def test_nothing_is_allowed_but_what_a_job_asks_for(file: Workflow) -> None:
    assert file.content["permissions"] == {}
    for name, job in file.jobs.items():
        assert job["permissions"] == RIGHTS.get((file.path.name, name), {"contents": "read"}), name


@pytest.mark.parametrize("file", every())
def test_every_job_ends(file: Workflow) -> None:
    for name, job in file.jobs.items():
        assert 0 < int(job["timeout-minutes"]) <= 360, name


@pytest.mark.parametrize("file", every())
def test_a_checkout_leaves_no_credentials_behind(file: Workflow) -> None:
    checkouts = [step for _, step in file.steps() if str(step.get("uses", "")).startswith("actions/checkout@")]
    assert checkouts
    assert {step["with"]["persist-credentials"] for step in checkouts} == {"false"}


@pytest.mark.parametrize("file", every())
def test_what_a_person_or_a_step_gives_reaches_a_command_by_its_environment_alone(file: Workflow) -> None:
    assert [run.command for run in file.runs() if "${{" in run.command] == []


@pytest.mark.parametrize("file", every())
def test_every_command_is_a_target_of_the_makefile_or_a_command_that_the_documents_show(file: Workflow) -> None:
    assert file.runs()
    for run in file.runs():
        line = LIMIT.sub("", run.command.strip())
        assert "\n" not in line, line
        assert not re.search(r"[;&|<>`]|\$\(", line), line
        if line.startswith("make "):
            assert next(word for word in line.split()[1:] if not word.startswith("--")) in targets(), line
            continue
        if line.startswith("sudo "):
            assert f"`{line}`" in (ROOT / "cloudbox" / "README.md").read_text(encoding="utf-8"), line
            continue
        assert COMMAND.match(line), line
        words = line.split()[1:]
        shown = " ".join(words[:2]) if words[0] == "-m" or not words[1].startswith("-") else "run.py --config"
        assert f"python {shown}" in documented(), line
        if words[0] == "run.py" and not words[1].startswith("-"):
            assert words[1] in {command.name for command in COMMANDS}, line


def test_a_delivery_signs_in_without_a_key() -> None:
    text = workflow("deliver.yml").path.read_text("utf-8")
    assert "credentials_json" not in text
    assert set(re.findall(r"secrets\.(\w+)", text)) == {"ZENML_STORE_API_KEY"}
    (sign_in,) = [step for _, step in workflow("deliver.yml").steps() if "google-github-actions/auth@" in str(step)]
    assert {"workload_identity_provider", "service_account"} <= set(sign_in["with"])


def test_a_secret_is_given_to_single_steps_of_the_job_that_has_an_environment() -> None:
    deliver = workflow("deliver.yml")
    holders = {job for job, step in deliver.steps() if "secrets." in str(step)}
    assert holders == {"deliver"}
    assert deliver.jobs["deliver"]["environment"] == "${{ inputs.project }}"
    assert all("secrets." not in str(job.get("env", {})) for job in deliver.jobs.values())


def test_only_one_delivery_of_a_model_goes_on_and_those_that_wait_are_all_kept() -> None:
    deliver = workflow("deliver.yml")
    assert "concurrency" not in deliver.content
    job = deliver.jobs["deliver"]
    assert job["needs"] == "access"
    assert job["concurrency"] == {
        "group": "deliver-${{ inputs.project }}-${{ needs.access.outputs.model }}",
        "cancel-in-progress": "false",
        "queue": "max",
    }
    assert deliver.jobs["access"]["outputs"]["model"] == "${{ steps.access.outputs.model }}"


def test_a_delivery_that_does_not_end_well_stops_the_run_that_it_started() -> None:
    deliver = workflow("deliver.yml")
    steps = deliver.jobs["deliver"]["steps"]
    started, stopped = deliver.run("--outcome outcome", "deliver"), deliver.run(" run.py stop ", "deliver")
    assert steps.index(stopped.step) == steps.index(started.step) + 1
    assert int(started.step["timeout-minutes"]) < int(deliver.jobs["deliver"]["timeout-minutes"])
    condition = stopped.step["if"]
    assert condition.startswith("${{ always() && ")
    assert {f"steps.{started.step['id']}.outcome == '{end}'" in condition for end in ("cancelled", "failure")} == {True}
    assert "success" not in condition
    for option in ('--config "$CONFIGURATION"', '--name "$NAME"', '--run-name "$RUN_NAME"'):
        assert option in started.command
        assert option in stopped.command
    assert started.environment["RUN_NAME"] == stopped.environment["RUN_NAME"]
    assert "github.run_attempt" in started.environment["RUN_NAME"]


def test_what_a_cancelled_delivery_leaves_is_told_before_github_ends_its_job() -> None:
    stopped = workflow("deliver.yml").run(" run.py stop ", "deliver")
    deadlines = re.fullmatch(
        r"\$\{\{ job.status == 'cancelled' && (\d+) \|\| (\d+) \}\}", stopped.environment["WITHIN_S"]
    )
    kill = re.match(r'timeout --kill-after=(\d+) "\$WITHIN_S" \.venv/bin/python run\.py stop ', stopped.command)
    assert deadlines is not None
    assert kill is not None
    assert int(deadlines[1]) + int(kill[1]) < 5 * 60
    job = workflow("deliver.yml").jobs["deliver"]
    running = next(int(step["timeout-minutes"]) for step in job["steps"] if step.get("id") == "pipeline")
    assert int(deadlines[2]) + int(kill[1]) < (int(job["timeout-minutes"]) - running) * 60


def test_a_delivery_asks_for_what_it_needs_and_is_dry_unless_told() -> None:
    inputs = workflow("deliver.yml").inputs
    assert set(inputs) == {"ref", "project", "region", "configuration", "pipeline_name", "dataflow", "dry_run"}
    assert (inputs["dry_run"]["default"], inputs["dataflow"]["default"]) == ("true", "false")


def test_a_dry_run_builds_prepares_and_runs_nothing() -> None:
    steps = workflow("deliver.yml").jobs["deliver"]["steps"]
    acting = [step for step in steps if re.search(r"run\.py (images|prepare|--config)", step.get("run", ""))]
    assert len(acting) == 6
    for step in acting:
        condition = step.get("if", "")
        if "--dry-run" not in step["run"]:
            assert "!inputs.dry_run" in condition, step["run"]
        elif "run.py --config" not in step["run"]:  # the plan is shown either way
            assert "inputs.dry_run" in condition, step["run"]
            assert "!inputs.dry_run" not in condition, step["run"]


def test_data_are_prepared_on_dataflow_only_where_that_is_switched_on() -> None:
    preparing = [run for run in workflow("deliver.yml").runs() if "run.py prepare" in run.command]
    assert len(preparing) == 2
    for run in preparing:
        assert "--runner dataflow" in run.command
        assert "inputs.dataflow" in run.step["if"]


def test_documents_alone_do_not_start_the_production_path() -> None:
    ci = workflow("ci.yml")
    assert ci.jobs["emulated"]["needs"] == "changes"
    assert ci.jobs["emulated"]["if"] == "needs.changes.outputs.code == 'true'"
    assert ci.jobs["changes"]["outputs"] == {"code": "${{ steps.changes.outputs.code }}"}
    assert {"check", "test"} <= {name for name, job in ci.jobs.items() if "if" not in job}
