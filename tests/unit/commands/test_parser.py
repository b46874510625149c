from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands.parser import COMMANDS, _pairs, main

ROOT = Path(__file__).parents[3]
HEAVY = ("zenml", "torch", "transformers", "mlflow", "google.auth", "pydantic")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert all(command.name in out for command in COMMANDS)


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_each_commands_help_shows_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert "example: python run.py" in capsys.readouterr().out


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_each_command_has_its_file(name: str) -> None:
    assert (ROOT / "commands" / f"{name}.py").is_file()


def test_help_takes_under_half_a_second_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['run.py', '--help']\n"
        "from commands.parser import main\n"
        "try: main(sys.argv[1:])\n"
        f"except SystemExit: print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    times = []
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - began)
    assert done.stderr.strip() == "[]"
    assert min(times) < 0.5


def test_a_misspelt_configuration_is_refused_before_zenml_is_imported() -> None:
    commands = ["run", "prepare", "predict", "status", "stop", "deploy", "rollback", "schedule --list", "teardown"]
    commands += ["approve c3 --why good", "reject c3 --why slow"]
    code = (
        "import sys\n"
        "from commands.parser import main\n"
        f"codes = [main([*name.split(), '--config', 'locl.yaml']) for name in {commands!r}]\n"
        "print(codes, 'zenml' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{[2] * len(commands)} False\n"
    assert done.stderr.count("no configuration 'locl.yaml'; did you mean 'local.yaml'?") == len(commands)


@pytest.mark.parametrize("argv", [[], ["predict"], ["--confg", "x"], ["run", "--config", "x", "--dry"]])
def test_wrong_arguments_are_bad_input(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "message"),
    [("abc", "'abc' is no whole number"), ("1.5", "'1.5' is no whole number"), ("0", "0 is less than 1")],
)
def test_a_batch_size_that_is_none_is_told_in_plain_words(
    rows: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["predict", "--config", "local.yaml", "--batch-size", rows])
    assert caught.value.code == 2
    assert f"argument --batch-size: {message}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["approve", "reject"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "the following arguments are required: VERSION"),
        (["c3", "--why", "  "], "argument --why: is blank; say why in a few words"),
        (["c3", "--why", "a" * 501], "argument --why: has 501 characters, at most 500 are kept"),
    ],
)
def test_an_answer_names_its_version_and_says_why(
    name: str, given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--config", "local.yaml", *given])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("name", "why"), [("approve", "the report looks right"), ("reject", "too slow for the shop")])
def test_an_answer_without_a_reason_is_told_why_one_is_asked_for_and_how(
    name: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "c3", "--config", "gone.yaml"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: --why is missing: who reads the version's record, or `status`, should see why")
    assert f'python run.py {name} c3 --config gone.yaml --why "{why}"' in told


def test_predict_takes_a_text_or_a_table_but_not_both(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["predict", "--config", "local.yaml", "text", "--input", "a.csv"])
    assert "not allowed with argument" in capsys.readouterr().err


def test_an_output_without_a_table_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", {})
    assert main(["predict", "--config", "local.yaml", "--output", "a.csv", "text"]) == 2
    assert capsys.readouterr().err == "error: --output takes the rows of a table; add --input FILE\n"


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("1=World,4=Sci/Tech", {"1": "World", "4": "Sci/Tech"}),
        ("a=News, world,b=Sports", {"a": "News, world", "b": "Sports"}),
        ("text=content", {"text": "content"}),
    ],
)
def test_pairs_are_read_as_they_are_written(text: str, pairs: dict[str, str]) -> None:
    assert _pairs(text) == pairs


@pytest.mark.parametrize("text", ["", "1", "=World", "1=", "1=a,1=b"])
def test_what_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        _pairs(text)


def test_an_unknown_command_is_told_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["frobnicate", "--config", "local.yaml"])
    assert exit_.value.code == 2
    assert re.search(r"invalid choice: 'frobnicate' \(choose from .*run.*rollback", capsys.readouterr().err)
