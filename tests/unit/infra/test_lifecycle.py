"""What the bucket's rules remove: checkpoints, after as many days as on this machine."""

from __future__ import annotations

import json

import yaml

from tests.dockerfile import ROOT


def test_the_bucket_removes_what_lies_below_the_stacks_checkpoints_and_nothing_else() -> None:
    stack = yaml.safe_load((ROOT / "stacks" / "vertex.yaml").read_text("utf-8"))
    store = stack["components"]["artifact_store"]["configuration"]["path"]
    (rule,) = json.loads((ROOT / "infra" / "lifecycle.json").read_text("utf-8"))["rule"]
    assert rule["action"] == {"type": "Delete"}
    assert [f"${{EVERGREEN_BUCKET}}/{one}" for one in rule["condition"]["matchesPrefix"]] == [f"{store}/checkpoints/"]


def test_the_bucket_waits_as_long_as_a_run_of_this_machine() -> None:
    (rule,) = json.loads((ROOT / "infra" / "lifecycle.json").read_text("utf-8"))["rule"]
    text = (ROOT / "orchestration" / "training_run.py").read_text("utf-8")
    assert f"KEPT_DAYS = {rule['condition']['age']}\n" in text
