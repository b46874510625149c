"""What `status` shows of where a model's runs are."""

from __future__ import annotations

import pytest

from evergreen.adapters.local_endpoint import LocalEndpoint


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize("json", [True, False])
def test_the_password_of_the_tracking_database_is_not_shown(monkeypatch: pytest.MonkeyPatch, json: bool) -> None:
    from commands.status import _text
    from orchestration import status

    monkeypatch.setattr(status, "tracking_uri", lambda: "mysql+pymysql://user:s3cret@host/mlflow")
    shown = status.status_of("never-trained", LocalEndpoint(port=0))
    assert shown.mlflow == "mysql+pymysql://host/mlflow"
    text = shown.model_dump_json() if json else _text(shown)
    assert "s3cret" not in text
    assert "host/mlflow" in text
