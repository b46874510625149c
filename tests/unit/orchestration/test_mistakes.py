from __future__ import annotations

from pathlib import Path

from orchestration.mistakes import ConfigurationError, Mistake, YamlPath, dotted, hint, unknown


def test_mistakes_are_told_by_line_with_path_allowed_words_and_the_nearest() -> None:
    lines: dict[YamlPath, int] = {("source",): 3, ("source", "kind"): 4}
    mistakes = [unknown(("source", "kind"), "kind 'fils'", ["package", "files"]), Mistake((), "not nice")]
    assert str(ConfigurationError(Path("/somewhere/local.yaml"), mistakes, lines)).splitlines() == [
        "/somewhere/local.yaml has 2 mistakes:",
        "  line 1: not nice",
        "  line 4: source.kind: unknown kind 'fils'; did you mean 'files'?",
        "          allowed: files, package",
    ]


def test_who_reads_a_part_of_a_file_says_so_and_what_checks_the_rest() -> None:
    error = ConfigurationError(Path("x.yaml"), [Mistake(("host",), "missing")], {("host",): 3}, partly=True)
    assert str(error).splitlines() == [
        "x.yaml has 1 mistake in what this command reads:",
        "  line 3: host: missing",
        "the rest was not checked: python run.py --config x.yaml --dry-run",
    ]


def test_a_path_that_is_not_written_takes_the_line_of_what_should_hold_it() -> None:
    error = ConfigurationError(Path("x.yaml"), [Mistake(("source", "path"), "missing")], {("source",): 3})
    assert "line 3: source.path: missing" in str(error)


def test_a_long_list_is_told_once() -> None:
    words = tuple(f"some_long_option_{number}" for number in range(9))
    mistakes = [Mistake(("a",), "unknown", words, line=1), Mistake(("b",), "unknown", words, line=2)]
    text = str(ConfigurationError(Path("x.yaml"), mistakes, {}))
    assert text.count("some_long_option_3") == 1
    assert "allowed: as told for line 1" in text


def test_the_error_is_bad_input() -> None:
    assert ConfigurationError(Path("x.yaml"), [Mistake((), "x")], {}).exit_code == 2


def test_dotted_paths_show_list_positions() -> None:
    assert dotted(("parameters", "task", "labels", 3)) == "parameters.task.labels[3]"


def test_only_near_words_are_suggested() -> None:
    assert hint("Parametres", ["parameters", "steps"]) == "; did you mean 'parameters'?"
    assert hint("zebra", ["parameters", "steps"]) == ""
