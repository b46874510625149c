"""The doctor looks for the variables of monitoring, and for what its alerts need."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.usefixtures("zenml_home")


def test_unset_variables_of_labels_and_alerts_are_to_be_fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from commands.doctor import examine

    for name in ("LABELS_TOKEN", "WATCHED_WEBHOOK"):
        monkeypatch.delenv(name, raising=False)
    labels = {"kind": "huggingface", "name": "news/labels", "token_env": "LABELS_TOKEN", "columns": {"trace_id": "id"}}
    parameters = {
        "model_name": "watched-by-doctor",
        "host": {"kind": "local_endpoint", "port": 0},
        "labels": labels,
        "alerts": {"webhook_env": "WATCHED_WEBHOOK"},
    }
    path = tmp_path / "monitor.yaml"
    extra = {"pipeline": "monitoring", "stacks": ["default"]}
    path.write_text(yaml.safe_dump({"parameters": parameters, "extra": extra}), encoding="utf-8")
    told = {(finding.name, finding.fine, finding.message) for finding in examine(str(path))}
    assert ("secrets", False, "parameters.labels.token_env: LABELS_TOKEN is not set") in told
    assert ("alerts", False, "webhook: WATCHED_WEBHOOK is not set") in told
