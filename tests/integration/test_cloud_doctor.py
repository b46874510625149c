"""The doctor's view of Google Cloud through google-auth's session: all is well, and each thing missing."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commands.cloud.accounts import check_accounts
from commands.cloud.doctor import check_clock, check_google, examine_cloud
from commands.cloud.google import Google
from commands.cloud.needs import Needs
from commands.cloud.servers import check_secrets
from commands.machine import Finding
from evergreen.adapters.google.calls import LOGIN
from evergreen.core.cloud import LogNeeds, Machine
from evergreen.preparation import DataflowRunnerSettings
from tests.gcloud import refused_by_gcloud
from tests.google_stand_in import CLOCK, Answers, google_session
from tests.own_zenml import ROOT, copy_home, python

PIPELINE = "pipeline@news-project.iam.gserviceaccount.com"
SERVING = "serving@news-project.iam.gserviceaccount.com"
AGENT = "service-123@gcp-sa-aiplatform.iam.gserviceaccount.com"
CODE_AGENT = "service-123@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
REPOSITORY = "artifactregistry/v1/projects/news-project/locations/europe-west4/repositories/evergreen"
QUOTA = "serviceusage/v1beta1/projects/news-project/services/aiplatform.googleapis.com/consumerQuotaMetrics/"
POLICY = "cloudresourcemanager/v1/projects/news-project:getIamPolicy"
DATASET = "bigquery/bigquery/v2/projects/news-project/datasets/news"
BUCKET = "storage/storage/v1/b/news-bucket"
SERVICES = "serviceusage/v1/projects/news-project/services:batchGet"
NAMES = [
    "aiplatform",
    "artifactregistry",
    "bigquery",
    "bigquerystorage",
    "cloudbuild",
    "cloudresourcemanager",
    "compute",
    "iam",
    "iamcredentials",
    "logging",
    "serviceusage",
    "storage",
    "sts",
]
NETWORK = "compute/compute/v1/projects/news-project/global/networks/default"
ANCESTRY = "cloudresourcemanager/v1/projects/news-project:getAncestry"
PERIMETERS = "accesscontextmanager/v1/accessPolicies/7/servicePerimeters"
ORGANIZATION = {
    ANCESTRY: {"ancestor": [{"resourceId": {"type": "organization", "id": "42"}}]},
    "accesscontextmanager/v1/accessPolicies": {"accessPolicies": [{"name": "accessPolicies/7"}]},
    PERIMETERS: {
        "servicePerimeters": [
            {
                "title": "fence",
                "status": {"resources": ["projects/123"], "restrictedServices": ["aiplatform.googleapis.com"]},
            }
        ]
    },
}
NEEDS = Needs(
    project="news-project",
    region="europe-west4",
    buckets=("news-bucket",),
    registry="europe-west4-docker.pkg.dev/news-project/evergreen",
    images=("europe-west4-docker.pkg.dev/news-project/evergreen/serving:1.0",),
    pipeline_account=PIPELINE,
    serving_account=SERVING,
    serving_image="europe-west4-docker.pkg.dev/news-project/evergreen/serving:1.0",
    training=(Machine("e2-standard-4"), Machine("n1-standard-8", "NVIDIA_TESLA_T4", 1)),
    serving=(Machine("n1-standard-4"), 4),
    bigquery=True,
    dataset="news-project:news",
    mlflow=None,
    secrets={},
    models="gs://news-bucket/models",
    dataset_location="EU",
    dedicated=True,
)
DATAFLOW = replace(
    NEEDS,
    dataflow=DataflowRunnerSettings(
        kind="dataflow",
        project="news-project",
        region="europe-west4",
        temp="gs://news-bucket/dataflow",
        image="europe-west4-docker.pkg.dev/news-project/evergreen/dataflow:1.0",
    ).needs(),
)


def quota(metric: str) -> str:
    return f"{QUOTA}aiplatform.googleapis.com%2F{metric}"


def limit(amount: int, region: str | None = None) -> dict[str, Any]:
    own = [{"effectiveLimit": str(amount), "dimensions": {"region": region}}] if region else []
    general = {"effectiveLimit": "0"} if region else {"effectiveLimit": str(amount)}
    return {"consumerQuotaLimits": [{"unit": "1/{project}/{region}", "quotaBuckets": [general, *own]}]}


def binding(role: str, *emails: str) -> dict[str, Any]:
    return {"role": role, "members": [f"serviceAccount:{email}" for email in emails]}


@pytest.fixture
def answers() -> dict[str, Any]:
    """A project that has everything."""
    return {
        "cloudresourcemanager/v1/projects/news-project": {"projectNumber": "123"},
        SERVICES: {
            "services": [{"name": f"projects/123/services/{name}.googleapis.com", "state": "ENABLED"} for name in NAMES]
        },
        BUCKET: {"location": "EUROPE-WEST4", "projectNumber": "123"},
        f"{BUCKET}/iam": {
            "bindings": [
                binding("roles/storage.objectAdmin", PIPELINE),
                binding("roles/storage.legacyBucketReader", PIPELINE),
                binding("roles/storage.objectViewer", SERVING),
            ]
        },
        POLICY: {
            "bindings": [
                binding("roles/aiplatform.user", PIPELINE),
                binding("roles/logging.logWriter", PIPELINE, SERVING),
                binding("roles/bigquery.user", PIPELINE),  # holds jobUser and readSessionUser
                binding("roles/aiplatform.serviceAgent", AGENT),
                binding("roles/aiplatform.customCodeServiceAgent", CODE_AGENT),
            ]
        },
        f"iam/v1/projects/-/serviceAccounts/{PIPELINE.replace('@', '%40')}": {"email": PIPELINE},
        f"iam/v1/projects/-/serviceAccounts/{SERVING.replace('@', '%40')}": {"email": SERVING},
        f"iam/v1/projects/-/serviceAccounts/{SERVING.replace('@', '%40')}:getIamPolicy": {
            "bindings": [binding("roles/iam.serviceAccountUser", PIPELINE)]
        },
        f"iam/v1/projects/-/serviceAccounts/{PIPELINE.replace('@', '%40')}:getIamPolicy": {
            "bindings": [binding("roles/iam.serviceAccountUser", PIPELINE)]
        },
        NETWORK: {"name": "default"},
        ANCESTRY: {"ancestor": [{"resourceId": {"type": "project", "id": "news-project"}}]},
        DATASET: {"location": "EU", "access": [{"role": "READER", "userByEmail": PIPELINE}]},
        REPOSITORY: {"format": "DOCKER"},
        f"{REPOSITORY}:getIamPolicy": {"bindings": [binding("roles/artifactregistry.reader", SERVING)]},
        f"{REPOSITORY}/packages/serving/tags/1.0": {"version": "sha256:1"},
        quota("custom_model_training_cpus"): limit(42),
        quota("custom_model_training_nvidia_t4_gpus"): limit(1, region="europe-west4"),
        quota("custom_model_serving_cpus"): limit(-1),
    }


def findings(answers: Answers, needs: Needs = NEEDS) -> list[Finding]:
    """Those of Google, without ZenML's and MLflow's."""
    with google_session(answers) as session:
        google = Google(needs.project, session)
        return list(check_google(google, needs))


def missing(answers: Answers) -> list[Finding]:
    return [finding for finding in findings(answers) if finding.missing]


def notes(answers: Answers, needs: Needs = NEEDS) -> list[Finding]:
    return [finding for finding in findings(answers, needs) if finding.word == "note"]


def without(answers: dict[str, Any], policy: str, role: str) -> dict[str, Any]:
    changed = copy.deepcopy(answers)
    changed[policy]["bindings"] = [binding for binding in changed[policy]["bindings"] if binding["role"] != role]
    return changed


def test_a_project_with_everything_has_nothing_to_fix(answers: dict[str, Any]) -> None:
    assert {finding.word for finding in findings(answers)} == {"fine"}
    assert len(findings(answers)) >= 12


def test_before_the_first_custom_job_a_project_is_ready_and_the_account_to_come_is_a_note(
    answers: dict[str, Any],
) -> None:
    fresh = without(answers, POLICY, "roles/aiplatform.customCodeServiceAgent")
    assert missing(fresh) == []
    (note,) = notes(fresh)
    assert note.message.startswith(f"{CODE_AGENT} has no roles/aiplatform.customCodeServiceAgent yet")
    assert note.fix == ""  # Google refuses to bind a role to an account that is not there


def test_what_only_a_delivery_needs_is_a_note(answers: dict[str, Any]) -> None:
    answers[SERVICES]["services"] = [
        service for service in answers[SERVICES]["services"] if "sts" not in service["name"]
    ]
    assert missing(answers) == []
    assert [finding.fix for finding in notes(answers)] == [
        "gcloud services enable sts.googleapis.com --project news-project"
    ]


def test_a_preparation_on_dataflow_needs_its_interface_role_image_and_a_network(answers: dict[str, Any]) -> None:
    del answers[NETWORK]
    assert {finding.word for finding in findings(answers)} == {"fine"}  # nothing else is put there
    lacking = [finding for finding in findings(answers, DATAFLOW) if finding.missing]
    assert [finding.name for finding in lacking] == ["services", *["pipeline"] * 3, "network"]
    messages = [finding.message for finding in lacking]
    assert messages[0] == "not enabled: dataflow.googleapis.com"
    assert messages[1] == f"{PIPELINE} lacks roles/dataflow.developer on news-project"
    assert messages.pop(2) == f"{PIPELINE} lacks roles/dataflow.worker on news-project"
    assert messages[2] == f"{PIPELINE} lacks roles/artifactregistry.reader on evergreen in europe-west4 of news-project"
    assert lacking[4].fix.startswith("gcloud compute networks create default --project news-project")
    assert DATAFLOW.dataflow is not None
    own = replace(DATAFLOW, dataflow=replace(DATAFLOW.dataflow, subnetwork="regions/r/subnetworks/s"))
    assert "network" not in [finding.name for finding in findings(answers, own) if finding.missing]


@pytest.mark.parametrize(
    ("changed", "word", "message"),
    [
        ({}, "FIX", "the perimeter fence holds aiplatform.googleapis.com"),
        ({PERIMETERS: {}}, "fine", "no perimeter of VPC Service Controls holds"),
        ({"accesscontextmanager/v1/accessPolicies": 403}, "note", "was not asked"),
    ],
)
def test_a_dedicated_endpoint_inside_of_a_perimeter_is_told_before_it_is_made(
    answers: dict[str, Any], changed: dict[str, Any], word: str, message: str
) -> None:
    (finding,) = [entry for entry in findings({**answers, **ORGANIZATION, **changed}) if entry.name == "perimeter"]
    assert (finding.word, message in finding.message) == (word, True)
    private = replace(NEEDS, dedicated=False)
    assert "perimeter" not in [finding.name for finding in findings({**answers, **ORGANIZATION}, private)]


def test_a_region_in_which_new_projects_may_not_build_is_noted_with_one_in_which_they_may(
    answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERGREEN_BUILD_REGION", "europe-west4")
    assert missing(answers) == []
    assert [finding.fix for finding in notes(answers)] == ["export EVERGREEN_BUILD_REGION=europe-west1"]


def test_a_service_that_is_off_is_named_with_the_line_that_enables_it(answers: dict[str, Any]) -> None:
    answers[SERVICES]["services"][0]["state"] = "DISABLED"
    (finding,) = missing(answers)
    assert finding.message == "not enabled: aiplatform.googleapis.com"
    assert finding.fix == "gcloud services enable aiplatform.googleapis.com --project news-project"


@pytest.mark.parametrize(
    ("policy", "role", "message", "fix"),
    [
        (
            POLICY,
            "roles/aiplatform.user",
            f"{PIPELINE} lacks roles/aiplatform.user on news-project",
            f"gcloud projects add-iam-policy-binding news-project --member serviceAccount:{PIPELINE} "
            "--role roles/aiplatform.user --condition None",
        ),
        (
            POLICY,
            "roles/aiplatform.serviceAgent",
            f"{AGENT} lacks roles/aiplatform.serviceAgent on news-project",
            "gcloud beta services identity create --service aiplatform.googleapis.com --project news-project\n"
            f"gcloud projects add-iam-policy-binding news-project --member serviceAccount:{AGENT} "
            "--role roles/aiplatform.serviceAgent --condition None",
        ),
        (
            f"{BUCKET}/iam",
            "roles/storage.objectViewer",
            f"{SERVING} lacks roles/storage.objectViewer on gs://news-bucket/models",
            f"gcloud storage buckets add-iam-policy-binding gs://news-bucket --member serviceAccount:{SERVING} "
            "--role roles/storage.objectViewer "
            "--condition \"expression=resource.name.startsWith('projects/_/buckets/news-bucket/objects/models/'),"
            'title=models"',
        ),
        (
            f"iam/v1/projects/-/serviceAccounts/{SERVING.replace('@', '%40')}:getIamPolicy",
            "roles/iam.serviceAccountUser",
            f"{PIPELINE} may not act as {SERVING}: it lacks roles/iam.serviceAccountUser on it",
            f"gcloud iam service-accounts add-iam-policy-binding {SERVING} --member serviceAccount:{PIPELINE} "
            "--role roles/iam.serviceAccountUser",
        ),
        (
            f"{REPOSITORY}:getIamPolicy",
            "roles/artifactregistry.reader",
            f"{SERVING} lacks roles/artifactregistry.reader on evergreen in europe-west4 of news-project",
            "gcloud artifacts repositories add-iam-policy-binding evergreen --location europe-west4 "
            f"--project news-project --member serviceAccount:{SERVING} --role roles/artifactregistry.reader",
        ),
    ],
)
def test_a_missing_role_is_told_with_the_line_that_grants_it(
    answers: dict[str, Any], policy: str, role: str, message: str, fix: str
) -> None:
    (finding,) = missing(without(answers, policy, role))
    assert (finding.message, finding.fix) == (message, fix)


def test_a_dataset_that_the_pipeline_may_not_read_or_that_is_not_there_is_told(answers: dict[str, Any]) -> None:
    answers[DATASET]["access"] = [{"role": "READER", "userByEmail": SERVING}]
    (finding,) = missing(answers)
    assert finding.message == f"{PIPELINE} may not read news-project:news"
    assert finding.fix == (
        "bq --location=EU --project_id=news-project query --nouse_legacy_sql 'GRANT `roles/bigquery.dataViewer` "
        f'ON SCHEMA `news-project`.news TO "serviceAccount:{PIPELINE}"\''
    )
    del answers[DATASET]
    (finding,) = missing(answers)
    assert finding.fix == "bq --location=EU mk --dataset news-project:news"


def test_the_role_on_the_project_is_enough_to_read_a_dataset(answers: dict[str, Any]) -> None:
    answers[DATASET]["access"] = []
    answers[POLICY]["bindings"].append(binding("roles/bigquery.dataEditor", PIPELINE))
    assert missing(answers) == []


@pytest.mark.parametrize(("home", "fine"), [("news-project", True), ("images-project", False)])
def test_the_role_on_the_repository_s_own_project_is_enough_to_pull(
    answers: dict[str, Any], home: str, fine: bool
) -> None:
    answers[POLICY]["bindings"].append(binding("roles/artifactregistry.writer", SERVING))
    repository = REPOSITORY.replace("news-project", home)
    answers[f"{repository}:getIamPolicy"] = {}
    needs = replace(NEEDS, serving_image=f"europe-west4-docker.pkg.dev/{home}/evergreen/serving@sha256:0a")
    assert [finding.name for finding in findings(answers, needs) if finding.missing] == ([] if fine else ["server"])


def test_a_role_under_a_condition_proves_nothing(answers: dict[str, Any]) -> None:
    answers[POLICY]["bindings"][0]["condition"] = {"expression": "request.time < timestamp('2020-01-01T00:00:00Z')"}
    assert [finding.message for finding in missing(answers)] == [
        f"{PIPELINE} lacks roles/aiplatform.user on news-project"
    ]


def test_a_missing_account_is_told_once_and_not_again_by_each_of_its_roles(answers: dict[str, Any]) -> None:
    del answers[f"iam/v1/projects/-/serviceAccounts/{PIPELINE.replace('@', '%40')}"]
    with google_session(answers) as session:
        lacking = [finding for finding in check_accounts(Google("news-project", session), NEEDS) if finding.missing]
    assert [finding.fix for finding in lacking] == [
        "gcloud iam service-accounts create pipeline --project news-project"
    ]


@pytest.mark.parametrize(
    ("location", "fine"), [("EUROPE-WEST4", True), ("EU", True), ("US-EAST1", False), ("US", False)]
)
def test_a_bucket_belongs_in_the_region_or_on_its_continent(answers: dict[str, Any], location: str, fine: bool) -> None:
    answers[BUCKET]["location"] = location
    assert [finding.name for finding in missing(answers)] == ([] if fine else ["bucket"])


def test_a_bucket_of_another_project_is_told_before_anything_is_written_to_it(answers: dict[str, Any]) -> None:
    answers[BUCKET]["projectNumber"] = "666"
    (bucket,) = missing(answers)
    assert bucket.message == "gs://news-bucket belongs to the project with the number 666, not to news-project (123)"
    assert "gcloud storage buckets create gs://news-project-news-bucket --project news-project" in bucket.fix


def test_a_bucket_that_may_not_be_seen_is_told_as_somebody_else_s_and_hides_nothing(answers: dict[str, Any]) -> None:
    answers |= {BUCKET: 403, f"{BUCKET}/iam": 403}
    answers[f"{REPOSITORY}:getIamPolicy"] = {}
    hidden, policy, server = missing(answers)
    assert "may not see it: it is another project's, or you lack roles/storage.legacyBucketReader" in hidden.message
    assert "export EVERGREEN_BUCKET=gs://news-project-news-bucket" in hidden.fix
    assert policy.fix.endswith("--role roles/iam.securityReviewer --condition None")
    assert server.message.startswith(f"{SERVING} lacks roles/artifactregistry.reader")


@pytest.mark.parametrize(
    ("ahead_s", "message"),
    [
        (-600, "clock is 600 s ahead of Google's"),
        (86400, "clock is 86,400 s behind Google's"),
        (30, None),
    ],
)
def test_a_clock_that_is_off_is_told_before_anybody_signs_in(ahead_s: int, message: str | None) -> None:
    with google_session({CLOCK: ahead_s}) as session:
        findings = list(check_clock(Google("news-project", session)))
    assert bool(findings) is (message is not None)
    for finding in findings:
        rounded = re.sub(r"\d+(?= s )", lambda match: str(round(int(match[0]), -1)), finding.message.replace(",", ""))
        assert str(message).replace(",", "") in rounded
        assert finding.fix == "sudo timedatectl set-ntp true"


def test_a_missing_bucket_repository_and_image_are_told_with_what_makes_them(answers: dict[str, Any]) -> None:
    del answers[BUCKET], answers[f"{BUCKET}/iam"], answers[f"{REPOSITORY}/packages/serving/tags/1.0"]
    bucket, image = missing(answers)
    assert bucket.fix.startswith(
        "gcloud storage buckets create gs://news-bucket --project news-project --location europe-west4"
    )
    assert image.fix == 'eval "$(python run.py images --tag 1.0)"'
    del answers[REPOSITORY]
    _, registry = missing(answers)
    assert registry.fix == (
        "gcloud artifacts repositories create evergreen --repository-format docker "
        "--location europe-west4 --project news-project"
    )


@pytest.mark.parametrize(
    ("metric", "answer", "message"),
    [
        ("custom_model_training_nvidia_t4_gpus", limit(0), "1 needed, 0 allowed in europe-west4"),
        ("custom_model_training_nvidia_t4_gpus", limit(8, "us-central1"), "1 needed, 0 allowed in europe-west4"),
        ("custom_model_training_cpus", limit(4), "8 needed, 4 allowed in europe-west4"),
        ("custom_model_serving_cpus", limit(12), "16 needed, 12 allowed in europe-west4"),
        ("custom_model_serving_cpus", 404, "16 needed, Google shows no such quota in europe-west4"),
    ],
)
def test_a_quota_that_does_not_hold_the_machines_is_told(
    answers: dict[str, Any], metric: str, answer: Any, message: str
) -> None:
    answers[quota(metric)] = answer
    (finding,) = missing(answers)
    assert finding.message == f"{metric}: {message}"


def test_quotas_of_machines_that_are_tried_after_another_one_are_notes(answers: dict[str, Any]) -> None:
    instead = (Machine("n1-standard-64"), Machine("n1-standard-8", "NVIDIA_TESLA_P100", 2), Machine("n1-standard-4"))
    answers[quota("custom_model_training_nvidia_p100_gpus")] = limit(1)
    doubts = [
        finding for finding in findings(answers, replace(NEEDS, training_instead=instead)) if finding.word != "fine"
    ]
    assert [(finding.word, finding.message) for finding in doubts] == [
        ("note", "custom_model_training_cpus: 64 needed, 42 allowed in europe-west4"),
        ("note", "custom_model_training_nvidia_p100_gpus: 2 needed, 1 allowed in europe-west4"),
    ]


def test_the_line_that_asks_for_quota_names_it_as_google_does(answers: dict[str, Any]) -> None:
    answers[quota("custom_model_training_nvidia_t4_gpus")] = limit(0)
    (finding,) = missing(answers)
    assert finding.fix == (
        "gcloud services enable cloudquotas.googleapis.com --project news-project\n"
        "gcloud beta quotas preferences create --service aiplatform.googleapis.com --project news-project "
        "--quota-id CustomModelTrainingT4GPUsPerProjectPerRegion --preferred-value 1 --dimensions region=europe-west4"
    )


def test_gcloud_knows_every_line_that_the_doctor_prints(answers: dict[str, Any], tmp_path: Path) -> None:
    number = "cloudresourcemanager/v1/projects/news-project"
    accounts = {name: answer for name, answer in answers.items() if name.startswith("iam/") and ":" not in name}
    bare = {number: answers[number], POLICY: {}, SERVICES: {}, BUCKET: {"location": "US"}, f"{BUCKET}/iam": {}}
    bare[f"{REPOSITORY}:getIamPolicy"] = {}
    acting: dict[str, Any] = {name: {} for name in answers if name.startswith("iam/") and ":" in name}
    empty = [*missing({**bare, **accounts, **acting}), *missing({number: answers[number], POLICY: {}, SERVICES: 403})]
    lines = {line for finding in empty for line in finding.fix.splitlines()}
    commands = sorted(line for line in lines if line.startswith("gcloud "))
    assert len(commands) > 20
    assert refused_by_gcloud(commands, tmp_path) == []


@pytest.mark.usefixtures("zenml_home")
def test_one_refusal_hides_no_other_check_and_tells_what_lets_the_doctor_look(answers: dict[str, Any]) -> None:
    answers[SERVICES] = 403
    del answers[f"{REPOSITORY}/packages/serving/tags/1.0"]
    with google_session(answers) as session:
        lacking = [finding for finding in examine_cloud(NEEDS, Google("news-project", session)) if finding.missing]
    assert [finding.name for finding in lacking] == ["zenml server", "services", "image"]
    assert lacking[0].fix == "zenml login https://your-zenml-server"
    assert lacking[1].message == "not checked: serviceusage.googleapis.com: 403 refused with 403"
    assert lacking[1].fix.startswith("gcloud services enable serviceusage.googleapis.com --project news-project\n")


@pytest.mark.usefixtures("zenml_home")
def test_a_secret_that_is_missing_or_lacks_a_key_is_told_without_any_value() -> None:
    from zenml.client import Client

    Client().create_secret("half", {"username": "her-name"})
    needs = replace(NEEDS, secrets={"absent": frozenset({"token"}), "half": frozenset({"username", "password"})})
    absent, half = check_secrets(needs)
    assert (absent.message, absent.fix) == ("ZenML has no secret 'absent'", "zenml secret create absent --token=…")
    assert half.message == "'half' lacks password"
    assert "her-name" not in half.fix


@pytest.mark.parametrize(
    ("status", "fix"),
    [(401, LOGIN), (429, "# a quota is used up, or nothing is free: try again later, or ask for more")],
)
def test_a_check_that_google_does_not_answer_is_told_with_what_to_do(
    answers: dict[str, Any], status: int, fix: str
) -> None:
    answers[SERVICES] = status
    assert missing(answers)[0].fix == fix


@pytest.mark.usefixtures("zenml_home")
def test_without_credentials_one_finding_says_how_to_log_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path_factory.mktemp("none") / "key.json"))
    results = list(examine_cloud(NEEDS))
    assert results[-1].name == "project"
    assert "no Google credentials" in results[-1].message
    assert results[-1].fix == LOGIN


STACK = {
    "GOOGLE_CLOUD_PROJECT": "news-project",
    "GOOGLE_CLOUD_REGION": "europe-west4",
    "EVERGREEN_BUCKET": "gs://news-bucket",
    "EVERGREEN_REGISTRY": "europe-west4-docker.pkg.dev/news-project/evergreen",
    "EVERGREEN_PIPELINE_ACCOUNT": PIPELINE,
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",  # the discard port: refuses at once
}


def test_the_command_tells_what_google_cloud_lacks_after_what_this_machine_lacks(
    tmp_path: Path, laid_out: Path
) -> None:
    home, variables = tmp_path / "zenml", {**STACK, "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")}
    copy_home(laid_out, home)
    secret = {"username": "news", "password": "not-a-real-one"}
    script = f"from zenml.client import Client; Client().create_secret('mlflow', {secret})"
    assert python(home, "-c", script, cwd=ROOT).returncode == 0
    assert python(home, "-m", "stacks.apply", "vertex", cwd=ROOT, **variables).returncode == 0
    text = (ROOT / "configs" / "local.yaml").read_text(encoding="utf-8").replace("[local]", "[vertex]")
    (tmp_path / "own.yaml").write_text(text.replace("8501", "0"), encoding="utf-8")
    done = python(home, "run.py", "doctor", "--config", str(tmp_path / "own.yaml"), cwd=ROOT, **variables)
    assert done.returncode == 1
    printed = done.stdout
    for name, fix in {
        "zenml server": "zenml login https://your-zenml-server",
        "mlflow server": "python -m stacks.apply vertex",
        "project": LOGIN,
    }.items():
        assert f"FIX   {name:<14} " in printed
        assert fix in printed
    assert "fine  secret         'mlflow' is there" in printed
    assert "Traceback" not in printed + done.stderr


@pytest.mark.parametrize(("folder", "lacking"), [("models", 0), ("artifacts", 1)])
def test_the_server_may_read_models_alone(answers: dict[str, Any], folder: str, lacking: int) -> None:
    changed = without(answers, f"{BUCKET}/iam", "roles/storage.objectViewer")
    expression = f'resource.name.startsWith("projects/_/buckets/news-bucket/objects/{folder}/")'
    conditional = {**binding("roles/storage.objectViewer", SERVING), "condition": {"expression": expression}}
    changed[f"{BUCKET}/iam"]["bindings"].append(conditional)
    assert len(missing(changed)) == lacking


LOGGED = replace(
    NEEDS, request_log=LogNeeds("evergreen-requests", 'jsonPayload.message:"x"', "news-project.requests", "EU")
)
REQUESTS = "bigquery/bigquery/v2/projects/news-project/datasets/requests"
SINK = "logging/v2/projects/news-project/sinks/evergreen-requests"
WRITER = "service-123@gcp-sa-logging.iam.gserviceaccount.com"
MADE = {
    "destination": "bigquery.googleapis.com/projects/news-project/datasets/requests",
    "filter": 'jsonPayload.message:"x"',
    "bigqueryOptions": {"usePartitionedTables": True},
    "writerIdentity": f"serviceAccount:{WRITER}",
}
MAY_WRITE = {"location": "EU", "access": [{"role": "WRITER", "userByEmail": WRITER}]}


@pytest.mark.parametrize(
    ("dataset", "sink", "problem", "fix"),
    [
        (None, None, "there is no dataset", "bq --location=EU mk --dataset news-project:requests"),
        (MAY_WRITE, None, "there is no log sink", "gcloud logging sinks create evergreen-requests bigquery."),
        (MAY_WRITE, {**MADE, "filter": "all"}, "another filter", "gcloud logging sinks update evergreen-requests"),
        (MAY_WRITE, {**MADE, "destination": "storage"}, "to storage", "gcloud logging sinks update"),
        (MAY_WRITE, {**MADE, "bigqueryOptions": {}}, "a table a day", "--use-partitioned-tables"),
        (MAY_WRITE, {**MADE, "disabled": True}, "is disabled", "gcloud logging sinks update"),
        ({"location": "EU"}, MADE, "may not write", f'TO "serviceAccount:{WRITER}"'),
        (MAY_WRITE, MADE, None, None),
    ],
)
def test_what_is_missing_between_a_request_and_its_row_is_told_with_its_line(
    answers: dict[str, Any], dataset: object, sink: object, problem: str | None, fix: str | None
) -> None:
    answers |= {name: answer for name, answer in ((REQUESTS, dataset), (SINK, sink)) if answer is not None}
    (finding,) = [finding for finding in findings(answers, LOGGED) if finding.name == "request log"]
    assert finding.missing == (problem is not None)
    if problem is not None and fix is not None:
        assert problem in finding.message
        assert fix in str(finding.fix)


def test_where_no_request_is_noted_no_sink_is_asked_for(answers: dict[str, Any]) -> None:
    assert [finding for finding in findings(answers) if finding.name == "request log"] == []
