"""What the bucket's rules and the registry's policies remove, and what they may not touch."""

from __future__ import annotations

import json
from typing import Any

import yaml

from tests.dockerfile import ROOT

BUCKET = "${EVERGREEN_BUCKET}/"


def rule() -> Any:
    (only,) = json.loads((ROOT / "infra" / "lifecycle.json").read_text("utf-8"))["rule"]
    return only


def policies() -> dict[str, Any]:
    listed = json.loads((ROOT / "infra" / "registry-cleanup.json").read_text("utf-8"))
    return {policy["name"]: policy for policy in listed}


def test_the_bucket_removes_checkpoints_and_what_is_of_use_only_while_something_runs() -> None:
    stack = yaml.safe_load((ROOT / "stacks" / "vertex.yaml").read_text("utf-8"))["components"]
    pets = yaml.safe_load((ROOT / "configs" / "pets_prod.yaml").read_text("utf-8"))
    store = stack["artifact_store"]["configuration"]["path"]
    folders = {
        f"{store}/checkpoints",
        stack["orchestrator"]["configuration"]["pipeline_root"],
        pets["parameters"]["prepare"]["runner"]["temp"],
        f"{BUCKET}build",  # where `images` sends the source of a build
    }
    assert '"{bucket}/build"' in (ROOT / "commands" / "images.py").read_text("utf-8")
    assert rule()["action"] == {"type": "Delete"}
    assert {f"{BUCKET}{prefix.rstrip('/')}" for prefix in rule()["condition"]["matchesPrefix"]} == folders


def test_the_bucket_keeps_artifacts_models_and_the_code_that_schedules_start_from() -> None:
    kept = ("artifacts/model/x", "artifacts/code_uploads/0a.tar.gz", "models/news/0a", "pets/prepared/0.parquet")
    removed = tuple(rule()["condition"]["matchesPrefix"])
    assert [path for path in kept if path.startswith(removed)] == []


def test_the_bucket_waits_as_long_as_a_run_of_this_machine() -> None:
    text = (ROOT / "orchestration" / "training_run.py").read_text("utf-8")
    assert f"KEPT_DAYS = {rule()['condition']['age']}\n" in text


def test_the_registry_loses_old_images_of_pipelines_and_never_what_an_endpoint_runs() -> None:
    build = yaml.safe_load((ROOT / "infra" / "cloudbuild.yaml").read_text("utf-8"))
    images = {image.rpartition("/")[2].partition(":")[0] for image in build["images"]}
    deletes = [policy for policy in policies().values() if policy["action"]["type"] == "Delete"]
    removed = {name for policy in deletes for name in policy["condition"]["packageNamePrefixes"]}
    assert removed == images - {"serving", "serving-onnx"}
    assert all(policy["condition"]["olderThan"].endswith("d") for policy in deletes)


def test_the_registry_keeps_the_newest_and_what_is_tagged_as_in_use() -> None:
    newest, in_use = policies()["keep-newest"], policies()["keep-in-use"]
    assert {policy["action"]["type"] for policy in (newest, in_use)} == {"Keep"}
    deleted = policies()["delete-old"]["condition"]["packageNamePrefixes"]
    assert newest["mostRecentVersions"]["packageNamePrefixes"] == deleted
    assert newest["mostRecentVersions"]["keepCount"] >= 2
    (prefix,) = in_use["condition"]["tagPrefixes"]
    guide = (ROOT / "docs" / "production.md").read_text("utf-8")
    assert f"gcloud artifacts docker tags add $EVERGREEN_PIPELINE_IMAGE $EVERGREEN_REGISTRY/pipeline:{prefix}" in guide


def test_the_guide_puts_rules_and_policies_in_force() -> None:
    guide = (ROOT / "docs" / "production.md").read_text("utf-8").splitlines()
    assert "gcloud storage buckets update $EVERGREEN_BUCKET --lifecycle-file infra/lifecycle.json" in guide
    (policies_set,) = [line for line in guide if "repositories set-cleanup-policies evergreen " in line]
    assert policies_set.endswith("--policy infra/registry-cleanup.json --no-dry-run")  # a dry run removes nothing
