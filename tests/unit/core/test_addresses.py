from __future__ import annotations

import pytest

from evergreen.core.addresses import without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql+pymysql://user:s3cret@host/db", "mysql+pymysql://host/db"),
        ("postgresql://user:s3/c?r:et@host:5432/db", "postgresql://host:5432/db"),
        ("mysql://host/db?user=u&password=s3cret", "mysql://host/db"),
        ("https://s3cret@mlflow.example.org/path", "https://mlflow.example.org/path"),
        ("https://mlflow.example.org:8443", "https://mlflow.example.org:8443"),
        ("sqlite:////home/me/zenml/mlflow.db", "sqlite:////home/me/zenml/mlflow.db"),
        ("sqlite:///mlflow@home.db", "sqlite:///mlflow@home.db"),
        ("file:///home/me@work/mlruns", "file:///home/me@work/mlruns"),
        ("/home/me/mlruns", "/home/me/mlruns"),
        ("MLflow at http://u:p/w@host:1: (no such 'db')", "MLflow at http://host:1: (no such 'db')"),
        ("'mysql://u:p@h/db?a=1' and https://t@h2/x?k=s: mail me@work", "'mysql://h/db' and https://h2/x mail me@work"),
    ],
)
def test_user_password_and_options_are_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown
