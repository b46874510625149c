"""The production guide names every variable, gcloud and bq know its lines, and what they grant is little."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from dotenv import dotenv_values

from commands.cloud.build_regions import OPEN_REGIONS
from tests.cloud_sdk import BLOCK, calls, command_of, mistake, shell_lines, vendored
from tests.gcloud import refused_by_gcloud

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "production.md").read_text("utf-8")
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::-[^}]*)?\}")
VALUES = {"EVERGREEN_BUCKET": "gs://bucket"}
BASH = "/bin/bash"
DELIVERY = ".github/workflows/deliver.yml"


def lines() -> list[str]:
    return shell_lines(GUIDE)


def all_calls() -> list[list[str]]:
    return [call for line in lines() for call in calls(line)]


def gcloud_lines() -> list[str]:
    """Every call of gcloud, with an innocent value for each variable."""
    calls = [[_filled(word) for word in call] for call in all_calls() if call[0] == "gcloud"]
    return [shlex.join(call) for call in calls]


def _filled(word: str) -> str:
    word = word.replace("${EVERGREEN_BUCKET#gs://}", "bucket")
    return re.sub(r"\$(\w+)", lambda match: VALUES.get(match[1], "news-project"), word)


@pytest.mark.parametrize(
    "file", ["configs/prod.yaml", "configs/staging.yaml", "configs/pets_prod.yaml", "stacks/vertex.yaml"]
)
def test_every_variable_of_a_file_is_exported_by_the_guide(file: str) -> None:
    exported = {match for line in lines() for match in re.findall(r"(?:^export | )([A-Z_]+)=", line)}
    text = (ROOT / file).read_text("utf-8")
    wanted = set(VARIABLE.findall(re.sub(r"#.*", "", text)))
    assert wanted
    assert wanted - exported == set()


def test_all_that_the_servers_are_told_is_made_or_written_down_by_the_guide() -> None:
    services = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text("utf-8"))["services"]
    text = str([services[name] for name in ("zenml", "mlflow", "caddy")])
    wanted = set(re.findall(r"\$\{([A-Z_]+)", text))
    script = (ROOT / "infra" / "secrets.sh").read_text("utf-8")
    made = {word for words in re.findall(r"^for name in (.*); do", script, re.MULTILINE) for word in words.split()}
    written = {match for line in lines() for match in re.findall(r"^([A-Z_]+)=", line)}
    assert len(wanted) >= 8
    assert wanted - made - written == set()


def test_the_guide_grants_and_builds_from_files_that_exist() -> None:
    named = set(re.findall(r"\binfra/[\w.-]+\.(?:yaml|json|Dockerfile)\b", GUIDE))
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_line_has_commands_and_options_of_the_cloud_sdk() -> None:
    calls = all_calls()
    assert len([call for call in calls if call[0] == "gcloud"]) > 40
    assert len([call for call in calls if call[0] == "bq"]) > 2
    assert [reason for call in calls if (reason := mistake(call, vendored()))] == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("gcloud compute networks craete evergreen", "no such command"),
        ("again gcloud compute networks create evergreen --subnetmode custom", "no such option: --subnetmode"),
        ("export A=$(gcloud projects describe $P --fromat 'value(x)')", "no such option: --fromat"),
        ("bq --locaton=EU query --nouse_legacy_sql 'SELECT 1'", "no such option: --locaton"),
        ("for a in b; do gcloud iam service-accounts create $a --kye; done", "no such option: --kye"),
    ],
)
def test_a_misspelt_line_would_be_told(line: str, message: str) -> None:
    (call,) = calls(line)
    assert message in str(mistake(call, vendored()))


def test_gcloud_itself_has_nothing_against_any_line(tmp_path: Path) -> None:
    commands = gcloud_lines()
    assert len(commands) > 40
    assert refused_by_gcloud(commands, tmp_path) == []


def test_grants_to_accounts_that_are_new_are_repeated_until_they_hold() -> None:
    granted = [line for line in lines() if "add-iam-policy-binding" in line or '"GRANT ' in line]
    assert len(granted) > 12
    assert [line for line in granted if not line.startswith("again ")] == []


def test_no_grant_on_a_bucket_stops_to_ask_whether_it_has_a_condition() -> None:
    """gcloud asks once a policy has a condition, as the server's has, and refuses where nobody can answer."""
    buckets = [line for line in lines() if "buckets add-iam-policy-binding" in line]
    assert len(buckets) >= 5
    assert any("expression=" in line for line in buckets)
    assert [line for line in buckets if "--condition" not in line] == []


def test_a_command_is_repeated_until_it_succeeds(tmp_path: Path) -> None:
    script = f"""{block_with("again()")}
sleep() {{ :; }}
attempt() {{ echo x >> tried; [ $(wc -l < tried) -ge 3 ]; }}
again attempt"""
    subprocess.run([BASH, "-c", script], cwd=tmp_path, check=True)
    assert len((tmp_path / "tried").read_text("utf-8").split()) == 3


def block_with(words: str) -> str:
    (block,) = [block for block in BLOCK.findall(GUIDE) if words in block]
    return str(block)


MADE_BY_THE_SHELL = {"1", "@", "BASH", "HOME"}
SERVICES = {
    "ai": "aiplatform",
    "artifacts": "artifactregistry",
    "bq": "bigquery",
    "builds": "cloudbuild",
    "compute": "compute",
    "dns": "dns",
    "iam": "iam",
    "kms": "cloudkms",
    "logging": "logging",
    "monitoring": "monitoring",
    "network-connectivity": "networkconnectivity",
    "secrets": "secretmanager",
    "storage": "storage",
}
"""By the first word of a command, Google's service that answers it."""


def test_a_name_is_known_before_a_line_uses_it() -> None:
    known = set(MADE_BY_THE_SHELL)
    unknown = []
    for line in lines():
        known |= set(re.findall(r"(?:^|[\s\"])(\w+)=", line)) | set(re.findall(r"\bfor (\w+) in\b", line))
        known |= set(re.findall(r"\bread -\w+ '[^']*' (\w+)", line))
        used = re.findall(r"(?<!\\)\$\{?(\w+)", line)
        unknown += [f"{name}: {line}" for name in used if name not in known and not line.startswith("copy")]
    assert len(known) > 30
    assert unknown == []


def test_a_service_is_switched_on_before_a_line_asks_it() -> None:
    enabled: set[str] = set()
    asked = set()
    for call in all_calls():
        if call[:3] == ["gcloud", "services", "enable"]:
            enabled |= {name.removesuffix(".googleapis.com") for name in call[3:]}
        group = call[0] if call[0] == "bq" else next(word for word in call[1:] if word not in {"alpha", "beta"})
        needed = {SERVICES[group]} if group in SERVICES else set()
        if "--tunnel-through-iap" in call:
            needed.add("iap")
        asked |= needed
        assert needed <= enabled, call
    assert len(asked) > 9


def test_an_account_is_made_before_it_gets_a_role() -> None:
    made: set[str] = set()
    names = dict(re.findall(r"^export (EVERGREEN_\w+_ACCOUNT)=([\w-]+)@", GUIDE, re.MULTILINE))
    given = set()
    for line in lines():
        if line.startswith("for account in evergreen-") or "service-accounts create" in line:
            made |= set(re.findall(r"evergreen-\w+", line))
        for member in re.findall(r"serviceAccount:(\$?[\w-]+)", line):
            if member != "$agent" and not member.startswith("service-"):  # Google's own
                given.add(name := names.get(member.removeprefix("$"), member))
                assert name in made, line
    assert len(given) >= 5


def test_google_s_own_account_that_was_asked_for_gets_its_role() -> None:
    """The documentation of `services identity create`: such an account gets none by itself."""
    made = [place for place, line in enumerate(lines()) if "identity create --service aiplatform" in line]
    given = [place for place, line in enumerate(lines()) if "--role roles/aiplatform.serviceAgent" in line]
    assert len(made) == len(given) == 1
    assert "@gcp-sa-aiplatform.iam" in lines()[given[0]]
    assert given[0] > made[0]


def test_the_servers_machine_which_no_address_but_the_tunnel_s_reaches_is_reached_by_the_tunnel() -> None:
    (rule,) = [line for line in lines() if "firewall-rules create" in line and "tcp:22" in line]
    assert "--source-ranges 35.235.240.0/20" in rule  # gcloud takes the tunnel by itself only where there is no address
    reached = [call for call in all_calls() if call[1:3] in (["compute", "ssh"], ["compute", "scp"])]
    assert len(reached) >= 4
    assert [call for call in reached if "--tunnel-through-iap" not in call] == []


def test_the_schedule_s_key_does_not_become_the_login_of_whoever_sets_it() -> None:
    """ZenML's RestZenStoreConfiguration keeps ZENML_STORE_API_KEY for the server's address, in its folder."""
    block = block_with("ZENML_STORE_API_KEY=")
    (own,) = re.findall(r"^\(\n(.*?)^\)", block, re.MULTILINE | re.DOTALL)  # a subshell: nothing stays exported
    assert "ZENML_CONFIG_PATH=" in own
    assert own.index("stacks.apply vertex") < own.index("run.py schedule")  # an empty folder has no stack
    assert "ZENML_STORE" not in block.replace(own, "")


def test_no_line_of_the_way_to_a_nightly_pipeline_deletes_anything() -> None:
    way, _, rest = GUIDE.partition("## 10. Back, and away")
    deleting = re.compile(r"\b(?:gcloud|bq) .* (?:delete|rm) |run\.py teardown")
    assert [line for line in shell_lines(way) if deleting.search(line)] == []
    (project,) = [block for block in BLOCK.findall(rest) if "gcloud projects delete" in block]
    assert len(project.splitlines()) == 1  # whoever copies another line does not copy this one


def test_every_call_of_bq_says_where_the_data_lie() -> None:
    queries = [call for call in all_calls() if call[0] == "bq" and "rm" not in call]
    assert queries
    assert all(any(word.startswith("--location=") for word in call) for call in queries)


def test_images_are_built_where_new_projects_may_and_by_the_account_for_it() -> None:
    (build,) = [line for line in lines() if line.startswith("gcloud builds submit ")]
    assert "--region $EVERGREEN_BUILD_REGION " in build
    assert "--service-account projects/$GOOGLE_CLOUD_PROJECT/serviceAccounts/$EVERGREEN_BUILD_ACCOUNT " in build
    assert "--gcs-source-staging-dir $EVERGREEN_BUCKET/build " in build
    assert "_DOCKER_HUB=$EVERGREEN_DOCKER_HUB," in build
    (region,) = [match[1] for line in lines() if (match := re.match(r"export EVERGREEN_BUILD_REGION=(\S+)", line))]
    assert region in OPEN_REGIONS


def test_nothing_but_google_s_tunnel_reaches_the_port_for_ssh() -> None:
    rules = [line for line in lines() if "firewall-rules create" in line]
    assert len(rules) == 2
    assert all("tcp:22" not in rule or "--source-ranges 35.235.240.0/20 " in rule for rule in rules)
    reached = [line for line in lines() if line.startswith(("gcloud compute ssh", "gcloud compute scp"))]
    assert len(reached) == 2
    assert all(line.endswith(" --tunnel-through-iap") for line in reached)


def test_a_schedule_is_set_by_an_account_that_can_be_switched_off_by_itself() -> None:
    scheduled = next(at for at, line in enumerate(lines()) if "run.py schedule --config prod.yaml --cron" in line)
    (key,) = (at for at, line in enumerate(lines()) if "ZENML_STORE_API_KEY=$(cat ~/schedule.key)" in line)
    made = lines().index("(umask 077 && zenml service-account create schedule --output-file ~/schedule.key)")
    assert made < key < scheduled
    assert "`zenml service-account update schedule --active False`" in GUIDE


def test_steps_fetch_from_the_hub_by_a_token_that_may_only_read() -> None:
    (made,) = [line for line in lines() if line.startswith("zenml secret create huggingface ")]
    assert made.endswith("--HF_TOKEN=THE-WRITING-TOKEN --HF_READ_TOKEN=THE-READING-TOKEN")
    pets = yaml.safe_load((ROOT / "configs" / "pets_prod.yaml").read_text("utf-8"))
    assert pets["secrets"] == ["huggingface"]
    parameters = pets["parameters"]
    reading = (parameters["task"].get("token_env"), parameters["publish"]["space"]["token_env"])
    assert (*reading, parameters["publish"]["token_env"]) == ("HF_READ_TOKEN", "HF_READ_TOKEN", "HF_TOKEN")


def test_the_server_reads_the_models_of_the_bucket_alone() -> None:
    (granted,) = [line for line in lines() if "$EVERGREEN_SERVING_ACCOUNT" in line and " storage buckets " in line]
    assert "--role roles/storage.objectViewer " in granted
    assert "startsWith('projects/_/buckets/${EVERGREEN_BUCKET#gs://}/objects/models/')" in granted
    for name in ("prod", "staging", "pets_prod"):
        host = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text("utf-8"))["parameters"]["host"]
        assert host["staging"] == "${EVERGREEN_BUCKET}/models"


def test_all_that_keeps_data_takes_the_key_and_what_reads_it_may_use_it() -> None:
    assert "gcloud storage buckets update $EVERGREEN_BUCKET --default-encryption-key $EVERGREEN_KMS_KEY" in lines()
    assert any("bq" in call and "--default_kms_key=$EVERGREEN_KMS_KEY" in call for call in all_calls())
    assert "add `--kms-key $EVERGREEN_KMS_KEY` to the line of section 2" in GUIDE  # of a registry: when it is made
    (agents,) = [line for line in lines() if line.startswith("for agent in ")]
    for name in ("aiplatform", "gs-project-accounts", "artifactregistry", "compute-system", "bigquery-encryption"):
        assert name in agents


def test_a_private_endpoint_has_its_policy_and_its_log_the_right_to_be_written() -> None:
    (policy,) = [line for line in lines() if "service-connection-policies create" in line]
    assert "--service-class gcp-vertexai " in policy
    assert any("network-attachments create" in line for line in lines())
    exported = {match for line in lines() for match in re.findall(r"^export (\w+)=", line)}
    assert "EVERGREEN_NETWORK_ATTACHMENT" in exported
    agent = "serviceAccount:service-$GOOGLE_PROJECT_NUMBER@gcp-sa-aiplatform.iam.gserviceaccount.com"
    assert any("roles/bigquery.dataEditor" in line and f".news TO '{agent}'" in line for line in lines())


def test_no_account_may_more_than_it_needs() -> None:
    text = "\n".join(lines())
    assert "dataflow.admin" not in text
    projects = [
        line for line in lines() if "gcloud projects add-iam-policy-binding" in line or line.startswith("for role")
    ]
    assert not any("bigquery.data" in line for line in projects)
    on_the_dataset = re.findall(r"GRANT \\`roles/(\S+)\\` ON SCHEMA \S+\.news TO 'serviceAccount:\$(\w+)'", text)
    assert sorted(on_the_dataset) == [
        ("bigquery.dataEditor", "EVERGREEN_DELIVER_ACCOUNT"),
        ("bigquery.dataViewer", "EVERGREEN_PIPELINE_ACCOUNT"),
    ]
    assert "`roles/bigquery.dataEditor` on the dataset `news` alone" in " ".join(
        GUIDE.split()
    )  # of whoever prepares rows


CLAIMS = {
    "repository_id": "7",
    "environment": "news",
    "job_workflow_ref": f"me/evergreen/{DELIVERY}@refs/heads/main",
}


@pytest.mark.parametrize(
    ("changed", "admitted"),
    [
        ({}, True),
        ({"repository_id": "8"}, False),
        ({"environment": "other"}, False),
        ({"job_workflow_ref": f"me/evergreen/{DELIVERY}@refs/heads/my-branch"}, False),
        ({"job_workflow_ref": "me/evergreen/.github/workflows/own.yml@refs/heads/main"}, False),
    ],
)
def test_google_lets_in_the_delivery_as_it_stands_on_main_alone(changed: dict[str, str], admitted: bool) -> None:
    condition = next(
        re.findall(r'--attribute-condition "([^"]+)"', line)[0] for line in lines() if "create-oidc" in line
    )
    values = {"GITHUB_REPOSITORY_ID": "7", "GITHUB_REPOSITORY": "me/evergreen", "GOOGLE_CLOUD_PROJECT": "news"}
    filled = re.sub(r"\$(\w+)", lambda match: values[match[1]], condition)
    terms = [re.fullmatch(r"assertion\.(\w+) == '([^']*)'", term) for term in filled.split(" && ")]
    claims = CLAIMS | changed
    assert all(term is not None for term in terms)
    assert all(term is not None and claims[term[1]] == term[2] for term in terms) is admitted
    assert (ROOT / DELIVERY).is_file()


def test_github_s_environment_lets_in_main_alone_and_asks_somebody_else() -> None:
    asked = [line for line in lines() if line.startswith("gh api --method")]
    (environment,) = [line for line in asked if "--method PUT" in line]
    for rule in (
        "[custom_branch_policies]=true",
        "[protected_branches]=false",
        "prevent_self_review=true",
        "reviewers[]",
    ):
        assert rule in environment
    (branches,) = [line for line in asked if "deployment-branch-policies" in line]
    assert re.findall(r"name=(\S+)", branches) == ["main"]


SUDO = """#!/bin/bash
case "$*" in
  "docker run --rm -i "*" hash-password") read -r password; [ "$password" = secret ] && echo '$2a$14$abc.' ;;
  "sh infra/secrets.sh" | "tee --append infra/.env" | "grep ZENML_ADMIN_PASSWORD infra/.env") "$@" ;;
esac
"""
"""Of what the guide does as root, what concerns the settings; who hashes without a terminal is asked for nothing."""


def test_the_servers_settings_outlive_a_shell_and_are_their_owner_s_alone(tmp_path: Path) -> None:
    stubs = tmp_path / "bin"
    stubs.mkdir()
    (stubs / "sudo").write_text(SUDO, "utf-8")
    (stubs / "sudo").chmod(0o755)
    (tmp_path / "infra").mkdir()
    shutil.copy(ROOT / "infra" / "secrets.sh", tmp_path / "infra")
    script = block_with("caddy hash-password")
    environment = {"PATH": f"{stubs}:{os.environ['PATH']}"}
    subprocess.run([BASH, "-eu", "-c", script], cwd=tmp_path, env=environment, input="secret\n", text=True, check=True)
    kept = tmp_path / "infra" / ".env"
    assert kept.stat().st_mode & 0o777 == 0o600
    values = dotenv_values(kept)
    assert values["MLFLOW_PASSWORD_HASH"] == "$2a$14$abc."
    compose = (ROOT / "infra" / "compose.yaml").read_text("utf-8")
    wanted = {name for name in re.findall(r"\$\{(\w+)", compose) if name.startswith(("ZENML", "MLFLOW"))}
    assert wanted <= set(values)
    assert "secret" not in kept.read_text("utf-8")


REMOVED_OTHERWISE = {
    "storage buckets": "storage rm",
    "beta services identity": "",
    "kms keyrings": "",
    "kms keys": "kms keys versions destroy",
}
"""What goes by another command, or with the project alone."""


def test_what_the_guide_makes_it_also_removes() -> None:
    used = {name: call for call in all_calls() if call[0] == "gcloud" and (name := command_of(call, vendored()))}
    made = {re.split(r" create", name)[0] for name in used if " create" in name}
    assert len(made) > 8
    removals = {command: REMOVED_OTHERWISE.get(command, f"{command} delete") for command in made}
    assert {command for command, removal in removals.items() if removal and removal not in used} == set()
    text = "\n".join(lines())
    created = set(re.findall(r"firewall-rules create (\S+)", text))
    assert created == set(re.findall(r"firewall-rules delete (.+)", text)[0].split())
    accounts = {
        name for listed in re.findall(r"for account in ((?:evergreen-\S+ ?)+)", text) for name in listed.split()
    }
    assert "evergreen-deliver;" in accounts
