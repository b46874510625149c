"""The record in a real ZenML store: versions, aliases, marks, and whom a run is judged against."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from evergreen.core.errors import BusyError, EvergreenError
from evergreen.core.protocols import VersionRecord
from evergreen.core.reconcile import crown, nominate, roll_back
from evergreen.core.reports import Incumbent
from evergreen.core.versions import Alias, ModelVersion, RecordState

pytestmark = pytest.mark.usefixtures("zenml_home")


@pytest.fixture
def model() -> str:
    return f"m-{uuid4().hex[:8]}"


def version(name: str, recipe: str = "r", judged_against: str | None = None) -> ModelVersion:
    from zenml import save_artifact

    artifact = str(save_artifact(Incumbent(version=name), f"anything-{name}").id)
    return ModelVersion(
        version=name,
        artifact=artifact,
        report=artifact,
        recipe=recipe,
        run="run",
        judged_against=judged_against,
        metrics={"accuracy": 0.9},
        examples=({"text": "shares rose"},),
    )


def aliases(model: str) -> dict[str, str]:
    from orchestration.record import ZenmlRecord

    return {str(alias): name for alias, name in ZenmlRecord(model).read().aliases.items()}


def assert_is_a_record(record: VersionRecord) -> None:
    """Checked by mypy: the ZenML record implements the protocol."""
    assert record.read() == RecordState()


def promote(model: str, name: str) -> None:
    from orchestration.record import ZenmlRecord

    record = ZenmlRecord(model)
    record.add(version(name))
    record.move(nominate(record.read(), name))
    record.move(crown(record.read(), name))


def test_a_model_that_nobody_promoted_has_an_empty_record(model: str) -> None:
    from orchestration.record import ZenmlRecord

    assert ZenmlRecord(model).read() == RecordState()


def test_candidate_champion_previous_follow_promotions_and_rollbacks(model: str) -> None:
    from orchestration.record import ZenmlRecord

    record = ZenmlRecord(model)
    assert_is_a_record(record)
    record.add(version("a1"))
    record.move(nominate(record.read(), "a1"))
    assert aliases(model) == {"candidate": "a1"}
    record.move(crown(record.read(), "a1"))
    assert aliases(model) == {"champion": "a1"}
    promote(model, "b2")
    assert aliases(model) == {"champion": "b2", "previous": "a1"}
    record.move(roll_back(record.read()))
    assert aliases(model) == {"champion": "a1", "previous": "b2"}
    record.move(roll_back(record.read()))
    assert aliases(model) == {"champion": "b2", "previous": "a1"}
    promote(model, "c3")
    assert aliases(model) == {"champion": "c3", "previous": "b2"}


def test_repeating_a_registration_changes_nothing(model: str) -> None:
    from orchestration.record import ZenmlRecord

    record = ZenmlRecord(model)
    first = version("a1", recipe="first")
    record.add(first)
    record.add(version("a1", recipe="second"))
    assert record.read().versions == (first,)


def test_marks_and_mirror_numbers_are_kept_with_the_version(model: str) -> None:
    from orchestration.record import ZenmlRecord

    record = ZenmlRecord(model)
    record.add(version("a1"))
    record.note_mirror("a1", "mlflow", "7")
    record.mark_rolled_back("a1", True)
    assert record.get("a1").mirrors == {"mlflow": "7"}
    assert record.read().rolled_back == ("a1",)
    record.mark_rolled_back("a1", False)
    assert record.read().rolled_back == ()
    with pytest.raises(EvergreenError, match="has no version zz"):
        record.get("zz")


def test_a_run_is_judged_against_the_champion_unless_it_repeats_the_champions_recipe() -> None:
    from orchestration.versions import incumbent_for

    first = version("a1", recipe="one")
    second = version("b2", recipe="two", judged_against="a1")
    state = RecordState(versions=(first, second), aliases={Alias.CHAMPION: "b2", Alias.PREVIOUS: "a1"})
    assert incumbent_for("anything", RecordState()) == Incumbent()
    assert incumbent_for("three", state) == Incumbent(version="b2", artifact=second.artifact)
    assert incumbent_for("two", state) == Incumbent(version="a1", artifact=first.artifact)
    alone = RecordState(versions=(first,), aliases={Alias.CHAMPION: "a1"})
    assert incumbent_for("one", alone) == Incumbent()


def test_an_artifact_that_is_gone_is_told_with_what_to_do() -> None:
    from orchestration.record import load_artifact

    with pytest.raises(EvergreenError, match="--no-cache"):
        load_artifact(str(uuid4()), Incumbent)


HOLD = """
import sys, time
from pathlib import Path
from orchestration.locks import run_lock
with run_lock(Path(sys.argv[1]), "m"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_run_of_a_model_at_a_time_and_a_killed_one_frees_its_turn(tmp_path: Path) -> None:
    from orchestration.locks import is_running, run_lock
    from tests.own_zenml import ROOT

    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_running(tmp_path, "m")
        refusal = rf"another run of model 'm' is under way \(process {holder.pid}\)"
        with pytest.raises(BusyError, match=refusal), run_lock(tmp_path, "m"):
            pass
        with run_lock(tmp_path, "another"):
            pass
        holder.kill()
    assert not is_running(tmp_path, "m")
    with run_lock(tmp_path, "m"):
        assert is_running(tmp_path, "m")
