from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from evergreen.core.metric import Metric
from evergreen.pages import formatting

NAN = math.nan


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formatting.count(12000), "12,000"),
        (formatting.count(NAN), "undefined"),
        (formatting.counted(1, "row"), "1 row"),
        (formatting.counted(3, "class", "es"), "3 classes"),
        (formatting.decimal(0.9616), "0.962"),
        (formatting.decimal(NAN), "undefined"),
        (formatting.signed(0.012), "+0.012"),
        (formatting.signed(-0.041), "−0.041"),
        (formatting.signed(-0.0001), "0.000"),
        (formatting.signed(NAN), "undefined"),
        (formatting.count(-1234), "−1,234"),
        (formatting.compact(0.03171), "0.0317"),
        (formatting.compact(-2e-5), "−2e−05"),
        (formatting.compact(-1286.4), "−1,286"),
        (formatting.probability(0.03171), "0.0317"),
        (formatting.probability(0), "< 0.0001"),
        (formatting.probability(1), "1"),
        (formatting.quantity(12.5), "12.5"),
        (formatting.quantity(-0.031714), "−0.03171"),
        (formatting.quantity(100.4), "100.4"),
        (formatting.quantity(999.96), "1,000"),
        (formatting.quantity(-1234.5), "−1,234"),
        (formatting.quantity(999_999), "999,999"),
        (formatting.quantity(1_234_567), "1.235e+06"),
        (formatting.quantity(-1.7e308), "−1.7e+308"),
        (formatting.quantity(math.inf), "undefined"),
        (formatting.quantity(NAN), "undefined"),
        (formatting.interval(Metric(value=0.9, low=0.88, high=0.92)), "0.880–0.920"),
        (formatting.interval(Metric(value=0.9, low=NAN, high=0.92)), "undefined"),
        (formatting.signed_interval(Metric(value=0, low=-0.08, high=0.03)), "−0.080 to +0.030"),
        (formatting.percent(0.2291), "22.9 %"),
        (formatting.percent(formatting.ratio(1, 0)), "undefined"),
        (formatting.level(0.95), "95 %"),
        (formatting.level(0.999), "99.9 %"),
        (formatting.size(812), "812 bytes"),
        (formatting.size(90_900_000), "90.9 MB"),
        (formatting.size(1_250_000_000), "1.2 GB"),
        (formatting.milliseconds(8.31), "8.3 ms"),
        (formatting.milliseconds(1250), "1,250 ms"),
        (formatting.words("macro_f1"), "Macro F1"),
        (formatting.words("mean_iou"), "Mean IoU"),
        (formatting.words(""), ""),
        (formatting.clip("a long text", 7), "a long…"),
        (formatting.clean("a\x00b\x1b\ud800\n"), "a���\n".replace("a�", "a�b", 1)),
    ],
)
def test_numbers_and_names_are_spelled_one_way(shown: str, expected: str) -> None:
    assert shown.replace("\N{NO-BREAK SPACE}", " ") == expected


def test_times_are_told_in_utc() -> None:
    berlin = datetime(2024, 5, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert formatting.moment(berlin) == "2024-05-01 12:00:00 UTC"
    assert formatting.moment(datetime(2024, 5, 1, tzinfo=UTC).replace(tzinfo=None)) == "2024-05-01 00:00:00 UTC"
