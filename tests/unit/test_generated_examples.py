"""How many examples properties try: as many as `make fuzz-inputs` asks for, and in other runs enough to find much."""

from __future__ import annotations

from pathlib import Path

from hypothesis import settings

from tests.generated import few


def test_no_rule_names_a_number_of_its_own_which_would_win_over_the_one_that_is_asked_for() -> None:
    files = [path for path in Path(__file__).parent.rglob("*.py") if path != Path(__file__)]
    assert any("@given" in path.read_text(encoding="utf-8") for path in files)
    assert [path.name for path in files if "max_examples" in path.read_text(encoding="utf-8")] == []


def test_slow_properties_try_a_share_of_what_others_try() -> None:
    assert settings().max_examples >= 100
    assert few().max_examples == settings().max_examples * 3 // 10
