"""The sections of a report as parts of its page, drawn by their kind; one of another kind is drawn as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from evergreen.core.colours import colour_of
from evergreen.core.sections import ConfusionMatrix, Residuals, Section, Table, WorstPictures, WorstTexts
from evergreen.pages.charts import heatmap, histogram
from evergreen.pages.formatting import compact, decimal, ratio

MOST_LABELS = 25
MOST_CONFUSIONS = 8
MOST_TABLE_ROWS = 200

Matrix = Sequence[Sequence[int]]


class Drawn(NamedTuple):
    """A macro of `sections.html`, and what it is given."""

    macro: str
    given: Mapping[str, Any]


def drawn_sections(sections: Sequence[Section], row_noun: str) -> list[Drawn]:
    """In the report's order."""
    return [_drawn(section, row_noun) for section in sections]


def fold(labels: Sequence[str], counts: Matrix) -> tuple[list[str], list[list[int]]]:
    """Labels and matrix that fit a page: with too many labels those with the fewest errors become one, `others`."""
    if len(labels) <= MOST_LABELS:
        return list(labels), [list(row) for row in counts]
    errors = [sum(row) + sum(other[i] for other in counts) - 2 * row[i] for i, row in enumerate(counts)]
    ranked = sorted(range(len(labels)), key=lambda i: (-errors[i], i))
    kept = sorted(ranked[: MOST_LABELS - 1])
    place = {old: new for new, old in enumerate(kept)}
    folded = [[0] * MOST_LABELS for _ in range(MOST_LABELS)]
    for i, row in enumerate(counts):
        for j, rows in enumerate(row):
            folded[place.get(i, MOST_LABELS - 1)][place.get(j, MOST_LABELS - 1)] += rows
    return [*(labels[i] for i in kept), f"{len(labels) - len(kept)} others"], folded


def _drawn(section: Section, row_noun: str) -> Drawn:
    draw: Callable[[Any, str], Drawn] = _DRAWN.get(type(section), _other)
    return draw(section, row_noun)


def _confusion_matrix(section: ConfusionMatrix, _row_noun: str) -> Drawn:
    labels, counts = fold(section.labels, section.counts)
    given = {
        "noun": section.counted,
        "matrix": heatmap("Confusion matrix", labels, counts, section.counted),
        "folded": len(section.labels) - len(labels) + 1 if len(labels) < len(section.labels) else 0,
        "confusions": _confusions(section),
    }
    return Drawn("confusion_matrix", given)


def _confusions(section: ConfusionMatrix) -> list[tuple[str, str, int, float]]:
    """(true, predicted, rows, share of the true label's rows) of the most frequent confusions."""
    confused = [
        (section.labels[i], section.labels[j], rows, ratio(rows, sum(row)))
        for i, row in enumerate(section.counts)
        for j, rows in enumerate(row)
        if rows and i != j
    ]
    return sorted(confused, key=lambda pair: (-pair[2], pair[0], pair[1]))[:MOST_CONFUSIONS]


def _worst_texts(section: WorstTexts, row_noun: str) -> Drawn:
    return Drawn("worst_texts", {"rows": section.rows, "noun": row_noun})


def _worst_pictures(section: WorstPictures, row_noun: str) -> Drawn:
    legend = [(label, colour_of(number)) for number, label in enumerate(section.labels)]
    return Drawn("worst_pictures", {"pictures": section.pictures, "legend": legend, "noun": row_noun})


def _residuals(section: Residuals, row_noun: str) -> Drawn:
    axis = f"answer minus truth{f', {section.unit}' if section.unit else ''}, up to"
    bins = list(zip(section.edges[1:], section.counts, strict=True))
    chart = histogram("Residuals", bins, axis, shown=compact)
    return Drawn("residuals", {"section": section, "chart": chart, "noun": row_noun})


def _other(section: Section, _row_noun: str) -> Drawn:
    table = section.table()
    rows = [[decimal(cell) if isinstance(cell, float) else cell for cell in row] for row in table.rows]
    left_out = max(0, len(rows) - MOST_TABLE_ROWS)
    return Drawn("table", {"table": table, "rows": rows[:MOST_TABLE_ROWS], "left_out": left_out})


_DRAWN: Mapping[type[Section], Callable[[Any, str], Drawn]] = {
    ConfusionMatrix: _confusion_matrix,
    WorstTexts: _worst_texts,
    WorstPictures: _worst_pictures,
    Residuals: _residuals,
    Table: _other,
}
