"""From a version back to what it is of: what was deleted, long chains, and what a person may ask for wrongly."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.core.coverage import Coverage, Span
from evergreen.core.errors import InputError
from evergreen.core.part import Part
from evergreen.core.traces import new_trace
from evergreen.core.training import Incumbent, Start
from tests.recorded_versions import promote

pytestmark = pytest.mark.usefixtures("zenml_home")
HOST = LocalHostSettings(port=0)
FIRST, SECOND = "56eecea4b145", "36df30fb3710"
MOST = 4


@pytest.fixture(scope="module")
def model(zenml_home: Path) -> str:
    """A model with two champions, one after the other."""
    name = f"m-{uuid4().hex[:8]}"
    promote(name, FIRST)
    promote(name, SECOND)
    return name


def asked(model: str, given: str) -> Any:
    from orchestration.lineage import lineage_of

    return lineage_of(model, HOST, given)


def answer(version: str | None, trace: str) -> str:
    metadata = {"trace_id": trace} | ({"model_version": version} if version else {})
    return json.dumps({"predictions": [{"label": "sport"}], "metadata": metadata, "deployedModelId": "7"})


@pytest.mark.parametrize(
    "given",
    [
        lambda: SECOND,
        lambda: f" {SECOND.upper()}\n",
        lambda: "champion",
        lambda: new_trace(SECOND),
        lambda: answer(SECOND, "of-the-caller"),
        lambda: answer(None, new_trace(SECOND)),
        lambda: json.dumps({"error": {"message": "'text' is blank", "trace_id": new_trace(SECOND)}}),
    ],
)
def test_a_version_its_alias_the_trace_id_and_the_whole_of_an_answer_lead_to_it(
    model: str, given: Callable[[], str]
) -> None:
    found = asked(model, given())
    assert found.version.version == SECOND
    assert [str(alias) for alias in found.aliases] == ["champion"]


def test_the_trace_id_that_was_asked_about_is_told_back(model: str) -> None:
    trace = new_trace(FIRST)
    found = asked(model, trace)
    assert (found.trace_id, found.version.version) == (trace, FIRST)
    assert asked(model, answer(FIRST, "of-the-caller")).trace_id == "of-the-caller"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "56eecea",
            f"'56eecea' names no version of model '.*' \\(has: {SECOND}, {FIRST}\\); give one of them, candidate",
        ),
        (
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "begins with its version unless the caller gave the id: then give the whole",
        ),
        ("candidate", "'candidate' names no version"),
        ('{"predictions": []}', "is no answer of an endpoint of ours, which has metadata.model_version and"),
        ('{"metadata": ["x"]}', "is no answer of an endpoint of ours"),
        ("{half of it", "is no answer of an endpoint of ours.*; give all of it, as one JSON object"),
        ("", "'' names no version"),
    ],
)
def test_what_leads_nowhere_is_bad_input_and_one_line_that_names_what_is_allowed(
    model: str, given: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        asked(model, given)
    assert "\n" not in str(caught.value)


def test_a_model_without_versions_says_what_to_do_first() -> None:
    with pytest.raises(
        InputError, match="model 'never-trained' has no version yet, so that 'champion' names none; run"
    ):
        asked("never-trained", "champion")


def test_what_was_deleted_is_told_and_the_rest_is_there(model: str) -> None:
    found = asked(model, SECOND)
    assert (found.run, found.decision, found.deployment, found.rows.splits) == (None, None, None, {})
    assert f"run run of version {SECOND}, with all that it told" in found.missing
    assert [place.name for place in found.artifacts] == ["model", "report"]
    assert all(place.stored for place in found.artifacts)
    assert found.version.metrics == {"accuracy": 0.9}


def test_a_chain_of_warm_starts_is_followed_as_far_as_a_person_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    from zenml import save_artifact

    from orchestration import lineage
    from orchestration.record import ZenmlRecord
    from tests.recorded_versions import version

    model = f"m-{uuid4().hex[:8]}"
    names = [f"{number:011d}a" for number in range(MOST + 3)]
    for number, name in enumerate(names):
        day = datetime(2026, 5, number + 1, tzinfo=UTC)
        coverage = Coverage(spans=(Span(start=datetime(2026, 5, 1, tzinfo=UTC), end=day, until=day),))
        kept = str(save_artifact(coverage, f"coverage-{name}").id)
        ZenmlRecord(model).add(version(name).model_copy(update={"coverage": kept}))

    def start(made: Any) -> Start:
        number = names.index(made.version.version)
        return Start(pretrained="p", champion=Incumbent(version=names[number - 1] if number else None))

    monkeypatch.setattr(lineage, "MOST_PARENTS", MOST)
    monkeypatch.setattr(lineage._Made, "start", property(start))
    last = asked(model, names[-1])
    assert [parent.version for parent in last.parents] == names[-2 : -2 - MOST : -1]
    assert not last.oldest
    assert [one.end for one in last.parents[0].added] == [datetime(2026, 5, MOST + 2, tzinfo=UTC)]
    assert [one.end for one in last.coverage.added] == [datetime(2026, 5, MOST + 3, tzinfo=UTC)]
    second = asked(model, names[1])
    assert ([parent.version for parent in second.parents], second.oldest) == ([names[0]], True)


def test_the_state_in_which_new_rows_were_counted_is_told(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration import lineage

    part = Part(until=datetime(2026, 5, 1, 3, tzinfo=UTC), revision="2026-05-01T04:00:00+00:00")
    monkeypatch.setattr(lineage._Made, "value", lambda _, __, output, ___: part if output == "part" else None)
    rows = asked(model, SECOND).rows
    assert (rows.arrived_until, rows.snapshot) == (part.until, part.revision)


def test_a_coverage_that_is_lost_is_no_reason_to_say_nothing(caplog: pytest.LogCaptureFixture) -> None:
    from zenml import save_artifact
    from zenml.client import Client

    from orchestration.record import ZenmlRecord
    from tests.recorded_versions import version

    model, gone = f"m-{uuid4().hex[:8]}", save_artifact(Coverage(), "coverage-gone")
    ZenmlRecord(model).add(version("00000000000b").model_copy(update={"coverage": str(gone.id)}))
    Client().delete_artifact_version(UUID(str(gone.id)))
    found = asked(model, "00000000000b")
    assert found.coverage is None
    assert "coverage of version 00000000000b, which ZenML knows no more" in found.missing
    assert "what version 00000000000b covers" in caplog.text
