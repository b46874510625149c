"""A proof in a real project: told before it is paid for, and removed however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evergreen.core.errors import InputError
from orchestration.costs import load_prices
from tests.proof import __main__ as proof
from tests.proof.cassettes import add, differences, fields_of, merged, method_of, read
from tests.proof.plan import MOST_USD, ROOT, SERVER, Stage, priced, stages
from tests.waiting import wait_until

PRICES = load_prices()


def stage(name: str, script: str, *, gate: bool = False) -> Stage:
    return Stage(name, ((sys.executable, "-c", script),), gate=gate)


@pytest.mark.parametrize("region", sorted(PRICES.regions))
def test_the_whole_proof_has_a_price_below_its_limit_wherever_prices_are_known(region: str, tmp_path: Path) -> None:
    if "NVIDIA_TESLA_T4" not in PRICES.regions[region].accelerators:
        pytest.skip("no T4 there")
    lines, usd = priced(stages(tmp_path), PRICES, region)
    assert 1 < usd < MOST_USD
    assert lines[-1].endswith(f"{usd:>6.2f} USD")
    assert [line.split()[0] for line in lines] == ["doctor", "contract", "news", "pets", "all"]


def test_no_run_of_it_is_answered_from_the_cache_of_an_earlier_one(tmp_path: Path) -> None:
    commands = [command for stage in stages(tmp_path) for command in stage.commands]
    runs = [
        command for command in commands if "run.py" in command and command[command.index("run.py") + 1] == "--config"
    ]
    assert [command[-1] for command in runs] == ["--no-cache", "--no-cache"]


def test_a_proof_that_costs_more_or_has_no_price_is_refused() -> None:
    with pytest.raises(InputError, match=r"would cost 21\.\d\d USD in us-central1 \(allowed: 5\)"):
        priced([Stage("long", (), ((SERVER, 98.0),))], PRICES, "us-central1")
    with pytest.raises(InputError, match="no prices of mars-east1"):
        priced([Stage("far", (), ((SERVER, 1.0),))], PRICES, "mars-east1")


@pytest.mark.parametrize(("typed", "agreed"), [("news", True), ("yes", False), ("", False)])
def test_only_who_types_the_project_agrees(monkeypatch: pytest.MonkeyPatch, typed: str, agreed: bool) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: typed)
    if agreed:
        proof.agree("news", 3.0, yes=False)
    else:
        with pytest.raises(InputError, match="nothing was made"):
            proof.agree("news", 3.0, yes=False)


def test_where_nobody_can_be_asked_nothing_is_spent_unless_told_before() -> None:
    with pytest.raises(InputError, match="make gcp PROJECT=news YES=1"):
        proof.agree("news", 3.0, yes=False)
    proof.agree("news", 3.0, yes=True)


def test_a_shell_of_another_project_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "other")
    with pytest.raises(InputError, match="set up for project other, not news"):
        proof.environment_of("news", "us-central1")


def test_a_stage_that_fails_hides_no_other_and_all_is_removed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    planned = [stage("first", "raise SystemExit(1)"), stage("second", f"open({str(tmp_path / 'ran')!r}, 'w')")]
    removed = tmp_path / "removed"

    def removal() -> list[str]:
        removed.touch(exist_ok=False)
        return []

    with keeping_signals():
        code = proof.prove(planned, dict(os.environ), removal)
    assert (code, removed.exists(), (tmp_path / "ran").exists()) == (1, True, True)
    assert "failed: first" in capfd.readouterr().err


def test_what_cannot_be_removed_is_told_and_fails_the_proof(capfd: pytest.CaptureFixture[str]) -> None:
    with keeping_signals():
        assert proof.prove([], dict(os.environ), lambda: ["gcloud ai endpoints delete 7"]) == 1
    assert "costing money:\n  gcloud ai endpoints delete 7" in capfd.readouterr().err


def test_a_gate_that_fails_ends_it_before_anything_costs(tmp_path: Path) -> None:
    planned = [
        stage("doctor", "raise SystemExit(1)", gate=True),
        stage("dear", f"open({str(tmp_path / 'ran')!r}, 'w')"),
    ]
    with keeping_signals():
        assert proof.prove(planned, dict(os.environ), list) == 1
    assert not (tmp_path / "ran").exists()


@contextmanager
def keeping_signals() -> Iterator[None]:
    """Gives back what the proof sets for good."""
    before = [(name, signal.getsignal(name)) for name in proof.SIGNALS]
    yield
    for name, handler in before:
        signal.signal(name, handler)


CHILD = """
import os, time
open({started!r}, 'w').write(str(os.getpid()))
try:
    time.sleep(60)
finally:  # one more signal would cut this off
    time.sleep(0.3)
    open({stopped!r}, 'w')
"""
CUT_OFF = """
    import os, sys, time
    from pathlib import Path
    from tests.proof.__main__ import prove
    from tests.proof.plan import Stage

    folder = Path({folder!r})
    child = {child!r}

    def removal():
        (folder / "removing").touch()
        time.sleep(0.5)  # a second Ctrl-C comes meanwhile
        (folder / "removed").touch()
        return []

    long = Stage("long", ((sys.executable, "-c", child),))
    never = Stage("never", ((sys.executable, "-c", "open({never!r}, 'w')"),))
    sys.exit(prove([long, never], dict(os.environ), removal))
"""


@pytest.mark.parametrize(
    "signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM, signal.SIGINT], [signal.SIGHUP, signal.SIGTERM]]
)
def test_cut_off_it_ends_what_runs_and_removes_all_undisturbed(tmp_path: Path, signals: list[signal.Signals]) -> None:
    started = tmp_path / "started"
    child = CHILD.format(started=str(started), stopped=str(tmp_path / "stopped"))
    values = {"folder": str(tmp_path), "child": child, "never": str(tmp_path / "never")}
    script = textwrap.dedent(CUT_OFF)
    for name, value in values.items():
        script = script.replace(f"{{{name}!r}}", repr(value))
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, start_new_session=True)
    try:
        wait_until(lambda: started.exists() and started.read_text() != "", timeout_s=20)
        os.killpg(process.pid, signals[0])  # as a terminal does: to all that runs in it
        wait_until((tmp_path / "removing").exists, timeout_s=20)
        process.send_signal(signals[1])
        assert process.wait(timeout=20) == proof.INTERRUPTED
    finally:
        process.kill()
    assert (tmp_path / "stopped").exists()
    assert (tmp_path / "removed").exists()
    assert not (tmp_path / "never").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


ANSWER: dict[str, Any] = {
    "name": "projects/my-project/locations/europe-west4/endpoints/123456789",
    "labels": {"team": "news", "evergreen_model": "secret-name"},
    "trafficSplit": {"123456789": 100},
    "deployedModels": [{"id": "1", "dedicated": True}, {"id": "2", "spec": {"minReplicaCount": 1}}],
    "etag": "",
    "pipelineSpec": {"root": {"my_step": {"ZENML_STORE_API_TOKEN": "x"}}},
}


def test_a_cassette_holds_fields_and_types_and_no_value_that_was_answered() -> None:
    fields = fields_of(ANSWER)
    assert fields == {
        "name": "string",
        "labels.*": "string",
        "trafficSplit.*": "number",
        "deployedModels[].id": "string",
        "deployedModels[].dedicated": "boolean",
        "deployedModels[].spec.minReplicaCount": "number",
        "etag": "empty",
        "pipelineSpec": "object",
    }
    written = json.dumps(fields)
    for value in ("my-project", "123456789", "secret-name", "team", "europe-west4"):
        assert value not in written


def test_a_rest_call_is_named_by_its_form() -> None:
    path = "/bigquery/v2/projects/my-project/datasets/news/tables/articles"
    assert method_of("GET", "bigquery", path) == "bigquery GET /bigquery/v2/projects/*/datasets/*/tables/*"
    account = "/v1/projects/-/serviceAccounts/her@my-project.iam.gserviceaccount.com:getIamPolicy"
    assert method_of("POST", "iam", account) == "iam POST /v1/projects/*/serviceAccounts/*:getIamPolicy"
    assert method_of("GET", "storage", "/storage/v1/b/my-bucket/o/a%2Fb") == "storage GET /storage/v1/b/*/o/*"


def test_cassettes_are_added_to_and_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "cassettes" / "google.json"
    add(file, {"Get": {"name": "string"}})
    add(file, {"Get": {"etag": "string"}, "List": {"endpoints[].name": "string"}})
    google = read(file)
    assert google["Get"] == {"etag": "string", "name": "string"}
    assert differences(google, google) == []
    box = merged({"Get": {"name": "number", "extra": "string"}, "Delete": {"done": "boolean"}})
    assert differences(google, box) == [
        "Get: Google has no extra",
        "Get: the box lacks etag",
        "Get: name is string, in the box number",
    ]


def made(*given: str) -> subprocess.CompletedProcess[str]:
    """What `make gcp` would run."""
    command = ["make", "--dry-run", "--old-file", "install", f"VENV={sys.prefix}", "gcp", *given]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_make_asks_for_a_project_and_hands_on_what_was_agreed_to() -> None:
    assert "name the project: make gcp PROJECT=my-project" in made().stderr
    asked = made("PROJECT=news").stdout
    assert '-m tests.proof --project "news"' in asked
    assert "--yes" not in asked
    assert "--yes" in made("PROJECT=news", "YES=1").stdout
    assert "--remove" in made("PROJECT=news", "REMOVE=1").stdout
