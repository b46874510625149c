"""The record in a real ZenML store: versions, aliases, marks, and whom a run is judged against."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.core.decision import Verdict
from evergreen.core.errors import BusyError, EvergreenError
from evergreen.core.gate import Gate
from evergreen.core.lease import Holder
from evergreen.core.metric import Metric
from evergreen.core.protocols import VersionRecord
from evergreen.core.report import Comparison, EvaluationReport
from evergreen.core.training import Incumbent
from evergreen.core.versions import Alias, ModelVersion, RecordState, crown, nominate
from tests.keyword_model import write_keyword_model
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_host import hosting
from tests.memory_lease import MemoryLease
from tests.recorded_versions import aliases, passing_report, promote, version

pytestmark = pytest.mark.usefixtures("zenml_home")
HOST = LocalHostSettings(port=0)


@pytest.fixture
def model() -> str:
    return f"m-{uuid4().hex[:8]}"


@pytest.fixture
def challenger_report() -> EvaluationReport:
    return passing_report("c3")


def never() -> ModelVersion:
    """What completes a version that is not to be registered."""
    raise AssertionError("a version was completed, which needs its files, though it is not registered anew")


def assert_is_a_record(record: VersionRecord) -> None:
    """Checked by mypy: the ZenML record implements the protocol."""
    assert record.read() == RecordState()


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
    record.exchange("b2", "a1")
    record.settle()
    assert aliases(model) == {"champion": "a1", "previous": "b2"}
    assert record.read().rolled_back == ("b2",)
    record.exchange("a1", "b2")
    record.settle()
    assert record.read().rolled_back == ("a1",)
    assert aliases(model) == {"champion": "b2", "previous": "a1"}
    promote(model, "c3")
    assert aliases(model) == {"champion": "c3", "previous": "b2"}


def test_repeating_a_registration_changes_nothing(model: str) -> None:
    from orchestration.record import ZenmlRecord

    record = ZenmlRecord(model)
    first = version("a1", recipe="first")
    record.add(first)
    record.add(first.model_copy(update={"recipe": "second"}))
    assert record.read().versions == (first,)


def test_a_version_that_is_trained_again_names_the_newest_copy_of_the_model_and_the_report_that_promoted_it(
    model: str,
) -> None:
    from orchestration.record import ZenmlRecord

    record = ZenmlRecord(model)
    first, again = version("a1", recipe="first"), version("a1", recipe="second")
    record.add(first)
    record.add(again)
    assert record.read().versions == (first.model_copy(update={"artifact": again.artifact}),)


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
    graphs = second.model_copy(update={"engines": "8"})
    served = RecordState(versions=(graphs,), aliases={Alias.CHAMPION: "b2"})
    assert incumbent_for("three", served).engines == "8", "by which it is scored anew"
    assert incumbent_for("three", served).report == second.report
    alone = RecordState(versions=(first,), aliases={Alias.CHAMPION: "a1"})
    assert incumbent_for("one", alone) == Incumbent()


def lose(artifact: str, *, also_recorded: bool) -> None:
    """Deletes an artifact's files and, where asked, ZenML's row of it too."""
    from zenml.client import Client

    Client().delete_artifact_version(UUID(artifact), delete_metadata=also_recorded, delete_from_artifact_store=True)


@pytest.mark.parametrize("also_recorded", [True, False])
def test_a_lost_artifact_is_replaced_when_its_version_is_registered_again(model: str, also_recorded: bool) -> None:
    from orchestration.artifacts import load_artifact
    from orchestration.record import ZenmlRecord

    record = ZenmlRecord(model)
    first, again = version("a1", recipe="first"), version("a1", recipe="second")
    record.add(first)
    record.note_mirror("a1", "mlflow", "7")
    lose(first.artifact, also_recorded=also_recorded)
    record.add(again)
    healed = first.model_copy(update={"artifact": again.artifact, "report": again.report, "mirrors": {"mlflow": "7"}})
    assert record.read().versions == (healed,)
    assert load_artifact(record.get("a1").artifact, Incumbent).version == "a1"


def test_a_report_of_which_the_page_alone_is_left_is_replaced(model: str, challenger_report: EvaluationReport) -> None:
    from zenml import save_artifact

    from orchestration import materializers
    from orchestration.artifacts import is_stored, load_artifact
    from orchestration.record import ZenmlRecord

    first, again = (save_artifact(challenger_report, name) for name in ("report-first", "report-again"))
    record = ZenmlRecord(model)
    record.add(version("c3").model_copy(update={"report": str(first.id)}))
    record.add(version("c3").model_copy(update={"report": str(again.id)}))
    assert record.get("c3").report == str(first.id)
    folder = Path(first.uri)
    (data,) = (path for path in folder.iterdir() if path.name in materializers.DATA_NAMES)
    data.unlink()
    assert (folder / materializers.PAGE_NAME).is_file()
    assert not is_stored(str(first.id))
    record.add(version("c3").model_copy(update={"report": str(again.id)}))
    assert load_artifact(record.get("c3").report, EvaluationReport) == challenger_report


def test_a_directory_of_which_the_manifest_alone_is_left_is_not_stored(tmp_path: Path) -> None:
    from zenml import save_artifact

    from orchestration import materializers
    from orchestration.artifacts import is_stored

    saved = save_artifact(write_keyword_model(tmp_path / "model"), "manifest-alone")
    assert is_stored(str(saved.id))
    (Path(saved.uri) / materializers.ARCHIVE_NAME).unlink()
    assert (Path(saved.uri) / "manifest.json").is_file()
    assert not is_stored(str(saved.id))


def test_a_champion_that_is_trained_again_gets_its_lost_artifact_back(
    model: str, challenger_report: EvaluationReport
) -> None:
    from orchestration.record import ZenmlRecord
    from orchestration.versions import promote_version

    promote(model, challenger_report.version)
    record = ZenmlRecord(model)
    lose(record.read().versions[0].artifact, also_recorded=True)
    again = version(challenger_report.version)
    decision = promote_version(model, HOST, Gate(), again, challenger_report, completed=never)
    assert decision.verdict is Verdict.KEEP
    assert record.get(again.version).artifact == again.artifact


def test_the_champions_recipe_trained_to_other_bits_replaces_nothing(
    model: str, challenger_report: EvaluationReport
) -> None:
    from orchestration.versions import promote_version

    promote(model, "b2")
    decision = promote_version(model, HOST, Gate(), version("c3"), challenger_report, completed=never)
    assert [reason.rule for reason in decision.reasons if not reason.passed] == ["new recipe"]
    other = promote_version(model, HOST, Gate(), version("c3", recipe="other"), challenger_report, completed=never)
    assert [reason.rule for reason in other.reasons if not reason.passed] == ["present champion"]
    assert aliases(model) == {"champion": "b2"}


def test_a_withdrawn_versions_recipe_trained_to_other_bits_is_not_promoted(
    model: str, challenger_report: EvaluationReport
) -> None:
    from orchestration.record import ZenmlRecord
    from orchestration.versions import promote_version

    record = ZenmlRecord(model)
    for name in ("a1", "b2"):
        record.add(version(name, recipe=f"of {name}"))
        record.move(crown(record.read(), name))
    record.exchange("b2", "a1")
    record.settle()
    accuracy = Metric(value=0.02, low=0.01, high=0.03)
    against = Comparison(champion="a1", metrics=challenger_report.metrics, differences={"accuracy": accuracy})
    judged = challenger_report.model_copy(update={"comparison": against})
    again = promote_version(model, HOST, Gate(), version("c3", recipe="of b2"), judged, completed=never)
    assert [reason.rule for reason in again.reasons if not reason.passed] == ["not rolled back"]
    new = version("c3", recipe="with more rows")
    assert promote_version(model, HOST, Gate(), new, judged, completed=lambda: new).verdict is Verdict.PROMOTE
    assert aliases(model) == {"champion": "a1", "previous": "b2", "candidate": "c3"}


def test_a_new_version_is_completed_once_while_nobody_holds_the_lease(
    model: str, challenger_report: EvaluationReport
) -> None:
    from orchestration.record import ZenmlRecord
    from orchestration.versions import promote_version

    lease, holders = MemoryLease(), list[Holder | None]()
    host: Any = hosting(MemoryEndpoint(), lease)
    new = version("c3")
    complete = new.model_copy(update={"requires": "word-counts==1.2"})

    def completed() -> ModelVersion:
        holders.append(lease.read().lease.holder)
        return complete

    for _ in ("registers it", "finds it registered"):
        decision = promote_version(model, host, Gate(), new, challenger_report, completed=completed)
        assert decision.verdict is Verdict.PROMOTE
    assert holders == [None]
    assert ZenmlRecord(model).get("c3") == complete
    assert lease.read().generation > 0


def test_an_incumbent_that_is_lost_is_named_with_the_ways_out() -> None:
    from orchestration.artifacts import incumbent_model

    lost = str(uuid4())
    ways = (
        rf"version b2, which .*cannot be loaded: .*{lost}.*--no-cache, which stores it anew; or `rollback` .*model_name"
    )
    with pytest.raises(EvergreenError, match=ways):
        incumbent_model(Incumbent(version="b2", artifact=lost))
    assert incumbent_model(Incumbent()) is None


def test_an_incumbent_whose_files_are_lost_is_named_with_the_ways_out_when_they_are_asked_for(tmp_path: Path) -> None:
    from zenml import save_artifact

    from orchestration import materializers
    from orchestration.artifacts import incumbent_model

    saved = save_artifact(write_keyword_model(tmp_path / "model"), "incumbent")
    incumbent = Incumbent(version="b2", artifact=str(saved.id))
    kept, lost = incumbent_model(incumbent), incumbent_model(incumbent)
    assert kept is not None
    assert lost is not None
    assert (kept.path / "task.json").is_file()
    (Path(saved.uri) / materializers.ARCHIVE_NAME).unlink()
    ways = (
        r"version b2, which .*cannot be loaded: .*is gone from .*--no-cache, which stores it anew; or `rollback` .*name"
    )
    with pytest.raises(EvergreenError, match=ways):
        _ = lost.path


def test_the_status_of_a_model_whose_report_was_deleted_shows_the_rest(model: str) -> None:
    from orchestration.status import status_of

    promote(model, "a1")
    promoted = status_of(model, HOST)
    assert promoted.report_page is not None
    assert promoted.champion is not None
    lose(promoted.champion.report, also_recorded=True)
    status = status_of(model, HOST)
    assert status.champion is not None
    assert status.champion.version == "a1"
    assert status.report_page is None


def test_an_artifact_that_is_gone_is_told_with_what_to_do() -> None:
    from orchestration.artifacts import load_artifact

    with pytest.raises(EvergreenError, match="--no-cache"):
        load_artifact(str(uuid4()), Incumbent)


STOP = "python run.py stop --config own.yaml --name m"
HOLD = """
import sys, time
from pathlib import Path
from orchestration.locks import run_lock
with run_lock(Path(sys.argv[1]), "m", "training-1", "stop it"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_run_of_a_model_at_a_time_and_a_killed_one_frees_its_turn(tmp_path: Path) -> None:
    from orchestration.locks import is_running, run_lock, running_process
    from tests.own_zenml import ROOT

    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_running(tmp_path, "m")
        whose = rf"\(process {holder.pid}, since .+ UTC\)"
        refusal = rf"another run of model 'm' is under way {whose}; wait .* end it with\n  {STOP}$"
        with pytest.raises(BusyError, match=refusal), run_lock(tmp_path, "m", "training-2", STOP):
            pass
        with run_lock(tmp_path, "another", "training-2", STOP):
            pass
        with run_lock(tmp_path, "m", "monitoring-1", STOP, "monitoring"):  # which reads what was logged
            assert running_process(tmp_path, "m", "monitoring-1") == os.getpid()
            assert running_process(tmp_path, "m", "training-1") == holder.pid
            with pytest.raises(BusyError), run_lock(tmp_path, "m", "monitoring-2", STOP, "monitoring"):
                pass
        assert not is_running(tmp_path, "m", "monitoring")
        holder.kill()
    assert not is_running(tmp_path, "m")
    with run_lock(tmp_path, "m", "training-2", STOP):
        assert is_running(tmp_path, "m")
