"""What the guide makes in a project is what the doctor asks for: before it, after it, and with one role taken away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudbox.box import Box
from cloudbox.environment import ensure_images
from cloudbox.ledger.setup import Setup, setup_of
from commands.cloud.doctor import check_clock, check_google
from commands.cloud.google import Google
from commands.cloud.needs import Needs
from commands.machine import Finding
from evergreen.core.cloud import Machine
from tests.hosted_trial import BUCKET

GUIDE = Path(__file__).parents[3] / "docs" / "production.md"
NAME = re.compile(r"^export ([A-Z_]+)=(\S+)", re.MULTILINE)


def names(box: Box) -> dict[str, str]:
    """The guide's own names, for the box's project and its bucket."""
    known = {
        "GOOGLE_CLOUD_PROJECT": box.project,
        "GOOGLE_CLOUD_REGION": box.region,
        "EVERGREEN_BUCKET": f"gs://{BUCKET}",
    }
    known["GOOGLE_PROJECT_NUMBER"] = str(box.project_number)
    for name, value in NAME.findall(GUIDE.read_text("utf-8")):
        known.setdefault(name, re.sub(r"\$(\w+)", lambda match: known.get(match[1], match[0]), value))
    return known


def needs(box: Box) -> Needs:
    """Those of configs/prod.yaml but for its rows: this box has no warehouse."""
    given = names(box)
    return Needs(
        project=box.project,
        region=box.region,
        buckets=(BUCKET,),
        registry=given["EVERGREEN_REGISTRY"],
        images=(given["EVERGREEN_PIPELINE_IMAGE"], given["EVERGREEN_SERVING_IMAGE"]),
        pipeline_account=given["EVERGREEN_PIPELINE_ACCOUNT"],
        serving_account=given["EVERGREEN_SERVING_ACCOUNT"],
        serving_image=given["EVERGREEN_SERVING_IMAGE"],
        training=(Machine("e2-standard-4"),),
        serving=(Machine("n1-standard-4"), 10),
        bigquery=True,
        dataset=None,
        mlflow=None,
        secrets={},
        models=f"gs://{BUCKET}/models",
        dedicated=True,
    )


@pytest.fixture
def guided(box: Box) -> Iterator[Box]:
    """A box in which the guide was followed, its images built."""
    made = setup_of(GUIDE.read_text("utf-8"), names(box))
    box.home.write(box.home.setup, made.model_dump_json())
    ensure_images(box, {image: {} for image in needs(box).images})
    yield box
    box.home.setup.unlink()


def findings(box: Box) -> list[Finding]:
    return list(check_google(Google(box.project), needs(box)))


def test_a_project_that_followed_the_guide_and_ran_no_job_yet_has_nothing_to_fix(guided: Box) -> None:
    results = findings(guided)
    assert [finding.message for finding in results if finding.missing] == []
    assert len([finding for finding in results if finding.fine]) > 12
    (note,) = [finding for finding in results if finding.word == "note"]
    assert "gcp-sa-aiplatform-cc" in note.message
    assert list(check_clock(Google(guided.project))) == []


def test_a_project_in_which_nothing_was_made_lacks_every_kind_of_thing(box: Box) -> None:
    assert {"services", "pipeline", "server", "service agent", "registry"} <= {
        finding.name for finding in findings(box) if finding.missing
    }


@pytest.mark.parametrize(
    ("resource", "role", "message"),
    [
        ("project", "roles/aiplatform.user", "lacks roles/aiplatform.user on local-project"),
        ("project", "roles/aiplatform.serviceAgent", "lacks roles/aiplatform.serviceAgent on local-project"),
        (f"bucket {BUCKET}", "roles/storage.objectUser", f"lacks roles/storage.objectUser on gs://{BUCKET}"),
        (f"bucket {BUCKET}", "roles/storage.objectViewer", f"lacks roles/storage.objectViewer on gs://{BUCKET}/models"),
        ("repository evergreen", "roles/artifactregistry.reader", "lacks roles/artifactregistry.reader on evergreen"),
    ],
)
def test_a_role_that_the_guide_would_forget_is_told(guided: Box, resource: str, role: str, message: str) -> None:
    made = Setup.of(guided.home)
    kept = tuple(binding for binding in made.policies[resource] if binding.role != role)
    less = made.model_copy(update={"policies": {**made.policies, resource: kept}})
    guided.home.write(guided.home.setup, less.model_dump_json())
    lacking = [finding.message for finding in findings(guided) if finding.missing]
    assert len(lacking) == 1
    assert message in lacking[0]
