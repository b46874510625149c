from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.pages.charts import Bar, Group, IntervalRow, Series, Whisker, bars, heatmap, histogram, intervals, lines
from evergreen.pages.svg import Axis, Svg, fit, text_width
from tests.unit.pages.reading import metric, parse_svg

NUMBERS = st.floats(min_value=-1e9, max_value=1e9).filter(lambda value: value == 0 or abs(value) > 1e-9)


def parsed(svg: Svg) -> ET.Element:
    return parse_svg(svg.__html__())


@given(values=st.lists(NUMBERS | st.just(math.nan), max_size=8))
def test_an_axis_spans_all_values_with_few_ticks_that_have_different_names(values: list[float]) -> None:
    axis = Axis.over(values, 0, 100)
    finite = [value for value in values if math.isfinite(value)]
    slack = axis.step * 1e-6
    assert all(axis.low - slack <= value <= axis.high + slack for value in finite)
    assert 2 <= len(axis.ticks) <= 9
    assert all(0 <= axis.place(value) <= 100 for value in finite)
    if axis.step > 1e-6 * max(abs(axis.low), abs(axis.high)) and axis.step >= 1e-3:
        assert len({axis.name(tick) for tick in axis.ticks}) == len(axis.ticks)


def test_ticks_are_round() -> None:
    axis = Axis.over([0.87, 0.96], 0, 100)
    assert [axis.name(tick) for tick in axis.ticks] == ["0.86", "0.88", "0.90", "0.92", "0.94", "0.96"]
    rates = Axis.over([0, 2e-4], 0, 100, ticks=5)
    assert [rates.name(tick) for tick in rates.ticks] == ["0", "5e−5", "1e−4", "1.5e−4", "2e−4"]


@given(text=st.text(max_size=200), width=st.floats(min_value=30, max_value=300))
def test_a_label_is_cut_to_its_width_and_keeps_its_ends(text: str, width: float) -> None:
    short = fit(text, width)
    assert text_width(short) <= width
    if short != text:
        head, tail = short.split("…")[0], short.rsplit("…", 1)[-1]
        assert text.startswith(head)
        assert text.endswith(tail)


def test_a_cut_label_shows_whole_under_the_mouse() -> None:
    name = "Donaudampfschifffahrtsgesellschaft " * 3
    svg = parsed(bars("Rows", [Group(name, (Bar(1, "1"),))]))
    assert name in [title.text for title in svg.iter("title")]


def test_bars_are_proportional_and_what_is_undefined_has_none() -> None:
    svg = parsed(bars("Rows", [Group("a", (Bar(10, "10"),)), Group("b", (Bar(5, "5"), Bar(math.nan, "undefined")))]))
    widths = [float(bar.attrib["width"]) for bar in svg.iter("rect")]
    assert widths[0] == pytest.approx(2 * widths[1], rel=1e-3)
    assert widths[2] == 1
    assert svg.attrib["aria-label"] == "Rows: a 10; b 5, undefined"


def test_intervals_around_zero_are_symmetric_with_a_line_at_zero() -> None:
    svg = parsed(intervals("D", [IntervalRow("a", (Whisker(metric(0.03), "+0.030"),))], around_zero=True))
    zero = [line for line in svg.iter("line") if line.attrib["class"] == "zero"]
    grid = [float(line.attrib["x1"]) for line in svg.iter("line")]
    assert len(zero) == 1
    assert float(zero[0].attrib["x1"]) == pytest.approx((min(grid) + max(grid)) / 2, abs=0.1)


def test_the_baseline_is_a_diamond_left_of_a_better_value() -> None:
    svg = parsed(intervals("M", [IntervalRow("a", (Whisker(metric(0.9), "0.9"),), reference=0.3)]))
    diamond = next(svg.iter("path")).attrib["d"]
    assert float(diamond[1:].split()[0]) < float(next(svg.iter("circle")).attrib["cx"])


def test_a_heat_map_shades_by_share_of_the_true_label() -> None:
    svg = parsed(heatmap("Confusion", ["a", "b"], [[90, 10], [0, 0]]))
    shades = [float(cell.attrib["fill-opacity"]) for cell in svg.iter("rect") if "fill-opacity" in cell.attrib]
    assert shades == pytest.approx([0.14 + 0.86 * 0.9, 0.14 + 0.86 * 0.1], abs=0.01)
    assert "true a, predicted b: 10 of 100" in [title.text for title in svg.iter("title")]
    assert svg.attrib["aria-label"].endswith("90 of 100\N{NO-BREAK SPACE}rows on the diagonal")


def test_charts_of_nothing_are_drawings_too() -> None:
    for svg in (bars("a", []), histogram("b", [], "c"), intervals("d", []), heatmap("e", [], []), lines("f", [])):
        root = parsed(svg)
        assert root.attrib["role"] == "img"
        assert all(float(part) >= 0 for part in root.attrib["viewBox"].split())


def test_a_series_of_one_point_is_a_dot() -> None:
    svg = parsed(lines("Loss", [Series("training", ((5, 0.5),), "accent")]))
    assert len(list(svg.iter("circle"))) == 1
    assert not list(svg.iter("polyline"))
