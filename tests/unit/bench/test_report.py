import json
import math

import pytest

from bench.report import print_result


@pytest.mark.parametrize(
    ("ratios", "limits", "holds"),
    [
        ({"a": 1.2}, {"a": 1.0}, True),
        ({"a": 0.9, "b": 2.0}, {"a": 1.0, "b": 1.0}, False),
        ({"a": 1.2, "seen": 0.1}, {"a": 1.0}, True),
        ({}, {"a": 1.0}, False),
        ({"a": math.nan}, {"a": 1.0}, False),
    ],
)
def test_a_benchmark_holds_when_every_limit_is_reached(
    ratios: dict[str, float], limits: dict[str, float], holds: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_result("x", ratios, limits, as_json=True) == (0 if holds else 1)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["name"], last["limits"], last["holds"]) == ("x", limits, holds)
