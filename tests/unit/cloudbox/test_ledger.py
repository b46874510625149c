"""Whether roles suffice for calls, and what the guide grants."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from cloudbox.box import open_or_make_box
from cloudbox.home import Home
from cloudbox.ledger.calls import ANONYMOUS, Call, listed, principal_of, record, token_of
from cloudbox.ledger.grants import Grant, granted
from cloudbox.ledger.proof import Entry, Table, proof
from cloudbox.ledger.setup import Binding, Setup, setup_of
from cloudbox.vertex.service import VertexService

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "production.md"
PIPELINE, SERVING, PERSON = (f"{name}@p.iam.gserviceaccount.com" for name in ("pipeline", "serving", "person"))
ACCOUNTS = {
    "EVERGREEN_PIPELINE_ACCOUNT": PIPELINE,
    "EVERGREEN_SERVING_ACCOUNT": SERVING,
    "EVERGREEN_DELIVER_ACCOUNT": PERSON,
}
TABLE = Table(
    sources={"there": "https://example.org", "unproved": "nobody knows"},
    of_projects=frozenset({"bigquery.jobs.create"}),
    methods={
        "storage.objects.get": Entry(permissions=frozenset({"storage.objects.get"}), source="there"),
        "jobs.insert": Entry(permissions=frozenset({"bigquery.jobs.create"}), source="unproved"),
    },
    roles={
        "roles/reader": Entry(permissions=frozenset({"storage.objects.get"}), source="there"),
        "roles/asker": Entry(permissions=frozenset({"bigquery.jobs.create"}), source="there"),
    },
)


def test_what_an_account_lacks_is_named_with_the_method_that_needs_it() -> None:
    calls = [Call(PIPELINE, "storage.objects.get"), Call(PIPELINE, "jobs.insert")]
    result = proof(calls, [Grant(PIPELINE, "roles/reader", False)], TABLE)
    assert result.lacking == (f"{PIPELINE} lacks bigquery.jobs.create for jobs.insert",)
    assert result.unproved == ("jobs.insert",)
    of_another = [Grant(PIPELINE, "roles/reader", False), Grant(SERVING, "roles/asker", True)]
    assert proof(calls, of_another, TABLE).lacking == result.lacking


@pytest.mark.parametrize(("on_project", "lacking"), [(True, 0), (False, 1)])
def test_what_only_a_project_gives_is_not_given_by_a_bucket_or_a_data_set(on_project: bool, lacking: int) -> None:
    result = proof([Call(PIPELINE, "jobs.insert")], [Grant(PIPELINE, "roles/asker", on_project)], TABLE)
    assert len(result.lacking) == lacking


def test_roles_that_nothing_used_and_calls_that_prove_nothing_are_listed() -> None:
    calls = [Call(PIPELINE, "storage.objects.get"), Call(PIPELINE, "new.method"), Call(ANONYMOUS, "jobs.insert")]
    grants = [Grant(PIPELINE, f"roles/{name}", True) for name in ("reader", "asker", "logger")]
    result = proof(calls, grants, TABLE)
    assert result.unused == (f"{PIPELINE}: roles/asker", f"{PIPELINE}: roles/logger, for what the box does not have")
    assert result.unknown == ("new.method: no permission is known of it", "anonymous: jobs.insert")


def test_the_guide_grants_what_its_lines_say() -> None:
    grants = granted(GUIDE.read_text(encoding="utf-8"), ACCOUNTS)
    assert Grant(PIPELINE, "roles/aiplatform.user", True) in grants, "of a loop over roles"
    assert Grant(PIPELINE, "roles/storage.objectUser", False) in grants, "of a bucket"
    assert Grant(PIPELINE, "roles/bigquery.dataViewer", False) in grants, "by SQL"
    assert Grant(PERSON, "roles/iam.serviceAccountUser", False) in grants, "of a loop over accounts"
    assert not [
        grant for grant in grants if grant.account == SERVING and grant.on_project and "aiplatform" in grant.role
    ]


def test_what_a_guide_makes_is_known_with_what_a_role_is_on_and_its_condition(tmp_path: Path) -> None:
    names = {**ACCOUNTS, "EVERGREEN_BUCKET": "gs://news", "GOOGLE_PROJECT_NUMBER": "7"}
    made = setup_of(GUIDE.read_text(encoding="utf-8"), names)
    assert {"aiplatform.googleapis.com", "storage.googleapis.com"} <= made.services
    assert made.repositories == {"evergreen", "docker-hub"}
    assert {PIPELINE, SERVING, "service-7@gcp-sa-aiplatform.iam.gserviceaccount.com"} <= made.accounts
    (reader,) = [binding for binding in made.policies["bucket news"] if binding.role == "roles/storage.objectViewer"]
    condition = "resource.name.startsWith('projects/_/buckets/news/objects/models/')"
    assert reader == Binding(role=reader.role, member=f"serviceAccount:{SERVING}", condition=condition)
    assert f"account {SERVING}" in made.policies
    assert Setup.of(Home(tmp_path)) == Setup()  # where nobody did anything


def test_every_method_that_the_box_has_is_in_the_table_and_every_source_is_named(tmp_path: Path) -> None:
    table = Table.read()
    service = VertexService(open_or_make_box(Home(tmp_path)))
    service.close()
    served = service.dispatcher.methods
    lacking = {path.lstrip("/") for path in served if "v1beta1" not in path} - table.methods.keys()
    assert lacking == {"cloudbox.vertex.Schedules/Fire"}
    assert {entry.source for entry in (*table.methods.values(), *table.roles.values())} <= table.sources.keys()
    needed = {permission for entry in table.methods.values() for permission in entry.permissions}
    assert {permission for entry in table.roles.values() for permission in entry.permissions} <= needed


def test_a_token_tells_its_account_and_a_strange_one_nobody(tmp_path: Path) -> None:
    assert principal_of(f"Bearer {token_of(PIPELINE)}") == PIPELINE
    claims = base64.urlsafe_b64encode(json.dumps({"iss": SERVING}).encode()).decode().rstrip("=")
    assert principal_of(f"Bearer e30.{claims}.signature") == SERVING, "signed by the client itself"
    assert [principal_of(header) for header in ("", "Bearer token", "Basic \xff", "Bearer ya29.")] == [ANONYMOUS] * 4
    home = Home(tmp_path)
    for method in ("first", "second", "second"):
        record(home, Call(PIPELINE, method))
    assert listed(home) == {Call(PIPELINE, "first"), Call(PIPELINE, "second")}
    assert listed(home, skipped=1) == {Call(PIPELINE, "second")}
