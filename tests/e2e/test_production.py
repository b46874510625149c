"""`configs/prod.yaml` itself against Google Cloud in the box, from rows in BigQuery to the endpoint, twice, and back.

`make emulated-test` runs it; the stages build on each other, so they are one test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.production import Production, production_in
from tests.e2e.project import first_json

pytestmark = [pytest.mark.emulated, pytest.mark.timeout(2400)]


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Production]:
    with production_in(tmp_path / "box") as led:
        yield led


def test_production_is_trained_served_replaced_and_rolled_back_in_the_box(production: Production) -> None:
    production.prepare(0.25)
    first = production.run_pipeline()
    assert re.search(
        r"^try it +curl -s https://\S+:predict .*gcloud auth print-access-token", first.stdout, re.MULTILINE
    )
    before = production.status()
    one = before["champion"]["version"]
    assert before["endpoint"]["traffic"] == {one: 100}
    assert before["champion"]["metrics"]["accuracy"] > 0.8
    assert before["dashboard"].startswith("http://127.0.0.1:")
    recorded = production.recorded()
    assert (recorded["status"], recorded["orchestrator"]) == ("completed", "vertex")
    assert set(recorded["steps"].values()) == {"completed"}
    assert set(recorded["steps"]) >= {"identify", "fetch", "train", "deploy"}
    assert before["champion"]["mirrors"] == {name: recorded[name]["champion"] for name in ("mlflow", "vertex")}
    assert {"test/accuracy", "train/loss"} <= set(recorded["metrics"])
    assert "Confusion matrix" in recorded["page"]  # as the dashboard gets it: ZenML's server reads it from gs://
    answer = first_json(production.command("predict", "Shares fell after the profit warning").stdout)
    assert answer["label"] == "Business"

    production.prepare(1.0)
    with production.asked() as seen:
        production.run_pipeline()
        after = production.status()
        two = after["champion"]["version"]
        assert two != one
        assert after["previous"]["version"] == one
        assert after["endpoint"]["url"] == before["endpoint"]["url"]
        production.command("rollback")
    assert seen["failures"] == []
    assert seen["answered"] > 100
    assert seen["turns"] > 10  # the canary answered in between; without it two: to the new version, and back
    restored = production.status()
    assert (restored["champion"]["version"], restored["previous"]["version"]) == (one, two)
    assert restored["endpoint"]["traffic"][one] == 100
    recorded = production.recorded()
    for mirror in ("mlflow", "vertex"):
        assert recorded[mirror]["champion"] == restored["champion"]["mirrors"][mirror]
        assert recorded[mirror]["previous"] == restored["previous"]["mirrors"][mirror]
    assert not (production.home / "refusals.jsonl").exists()
