"""Parts of an evaluation report beside its metrics, each of a `kind`; a package may add kinds of its own.

A section that this version does not know, of a plug-in or written by a later version, is kept as it is and shown as a
table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, SerializeAsAny, ValidationError

from evergreen.core.base import Frozen
from evergreen.core.engines import EngineChoice, MeasuredEngine
from evergreen.core.metric import Metric

Cell = str | int | float | bool | None
NEW_TO_IT, TRAINED_ON = "new to it", "that it was trained on"
"""Parts of the rows that a live version is scored on."""


class Section(Frozen):
    """One part. Unless a class says otherwise it `holds_rows`: test rows stay on the pages of who may see the data."""

    holds_rows: ClassVar[bool] = True

    kind: str

    @property
    def heading(self) -> str:
        """What it is, in a few words."""
        return self.kind.replace("_", " ").capitalize()

    @property
    def summary(self) -> str | None:
        """What one line can say of it; None: nothing."""
        return None

    def table(self) -> Table:
        """The section as a table: what every reader can show. A list of objects is one, other fields a row each."""
        fields = self.model_dump(mode="json", exclude={"kind"})
        for name, value in fields.items():
            if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
                columns = tuple(dict.fromkeys(key for row in value for key in row))
                rows = tuple(tuple(_cell(row.get(key)) for key in columns) for row in value)
                return Table(title=f"{self.heading}: {name}", columns=columns, rows=rows)
        return Table(
            title=self.heading,
            columns=("field", "value"),
            rows=tuple((name, _cell(value)) for name, value in fields.items()),
        )


class Table(Section):
    """Rows of cells under named columns, of numbers about rows, not of the rows."""

    holds_rows: ClassVar[bool] = False

    kind: Literal["table"] = "table"
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def heading(self) -> str:
        """Its title."""
        return self.title

    def table(self) -> Table:
        """Itself."""
        return self


class ConfusionMatrix(Section):
    """`counts[i][j]` counts rows, or pixels (`counted`), of true label `labels[i]` answered as `labels[j]`."""

    holds_rows: ClassVar[bool] = False

    kind: Literal["confusion_matrix"] = "confusion_matrix"
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    counted: str = "row"

    @property
    def answered(self) -> dict[str, float]:
        """The share of what was counted that is answered as each label."""
        columns = [sum(column) for column in zip(*self.counts, strict=True)]
        return {label: count / max(1, sum(columns)) for label, count in zip(self.labels, columns, strict=False)}

    def table(self) -> Table:
        """A row each true label."""
        rows = tuple((label, *counts) for label, counts in zip(self.labels, self.counts, strict=False))
        return Table(title=f"{self.heading}, in {self.counted}s", columns=("true", *self.labels), rows=rows)


class WorstText(Frozen):
    """A wrong answer with high confidence; `excerpt` is at most 300 characters."""

    id: str
    excerpt: str
    truth: str
    predicted: str
    score: float


class WorstTexts(Section):
    """The wrong answers with the highest scores, the worst first."""

    kind: Literal["worst_texts"] = "worst_texts"
    rows: tuple[WorstText, ...] = ()


class WorstPicture(Frozen):
    """A picture that was segmented badly; `overlay` is a small PNG in base64: picture, truth and answer side by side.

    `scores` are the picture's own metrics by name.
    """

    id: str
    overlay: str
    scores: dict[str, float]


class WorstPictures(Section):
    """The pictures with the lowest scores of their own, the worst first; colours follow the order of `labels`."""

    kind: Literal["worst_pictures"] = "worst_pictures"
    labels: tuple[str, ...]
    pictures: tuple[WorstPicture, ...] = ()


class Residuals(Section):
    """How answers minus true numbers are spread, in `unit`: their mean, the middle, and 90 % of them (`low` to `high`).

    `counts[i]` rows lie between `edges[i]` and `edges[i + 1]`.
    """

    holds_rows: ClassVar[bool] = False

    kind: Literal["residuals"] = "residuals"
    unit: str = ""
    mean: float
    low: float
    median: float
    high: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def summary(self) -> str:
        """The middle and where most lie."""
        return f"median {self.median:.3f}, 90 % within {self.low:.3f} to {self.high:.3f} {self.unit}".rstrip()

    def table(self) -> Table:
        """Four numbers of the spread."""
        unit = f", {self.unit}" if self.unit else ""
        rows: tuple[tuple[Cell, ...], ...] = (
            ("mean", self.mean),
            ("5 % are below", self.low),
            ("median", self.median),
            ("5 % are above", self.high),
        )
        return Table(title=f"Residuals{unit}", columns=("answer minus truth", "value"), rows=rows)


class PartScores(Frozen):
    """Test rows of one part of a run's rows, which are too few to be measured where there are no metrics.

    `champion` has the champion's metrics on the same rows, `differences` are paired-bootstrap, challenger minus
    champion; both are empty without a champion.
    """

    part: str
    rows: int
    metrics: dict[str, Metric] = {}
    champion: dict[str, Metric] = {}
    differences: dict[str, Metric] = {}


class Forgetting(Section):
    """What was learnt of new rows and forgotten of old ones: both parts of the test rows, measured apart.

    `metric` is the one to lead with.
    """

    holds_rows: ClassVar[bool] = False

    kind: Literal["forgetting"] = "forgetting"
    metric: str
    parts: tuple[PartScores, ...]

    @property
    def heading(self) -> str:
        """What the two parts tell."""
        return "New and replayed rows"

    @property
    def summary(self) -> str:
        """The leading metric of each part, and the champion's."""
        return f"{self.metric} on {', on '.join(map(self._words, self.parts))}"

    def _words(self, scores: PartScores) -> str:
        rows = f"{scores.rows:,} {scores.part} rows"
        if self.metric not in scores.metrics:
            return f"{rows} not measured"
        own = f"{rows} {scores.metrics[self.metric].value:.3f}"
        champion = scores.champion.get(self.metric)
        return own if champion is None else f"{own} (champion {champion.value:.3f})"

    def table(self) -> Table:
        """A row each part and metric."""
        return Table(
            title=self.heading,
            columns=("part", "rows", "metric", "version", "champion", "version minus champion", "from", "to"),
            rows=tuple(row for scores in self.parts for row in _measured(scores)),
        )


class EngineTable(Section):
    """Engines side by side on the machine of the evaluation, and which of them serves."""

    holds_rows: ClassVar[bool] = False

    kind: Literal["engines"] = "engines"
    choice: EngineChoice

    @property
    def heading(self) -> str:
        """What serves, and what it was measured beside."""
        return "Engines"

    @property
    def summary(self) -> str:
        """Which serves, and why."""
        return f"{self.choice.serves} serves on {self.choice.instruction_set}: {self.choice.reason}"

    def table(self) -> Table:
        """A row each engine; the one that serves is named in the title."""
        return Table(
            title=f"{self.heading}: {self.summary}",
            columns=(
                "engine",
                "rows/s",
                "p50 ms",
                "p95 ms",
                "memory MB",
                "size MB",
                "answers otherwise",
                "metric lost",
                "may serve",
                "because",
            ),
            rows=tuple(_engine_row(measured) for measured in self.choice.variants),
        )


class ScoredRows(Section):
    """Rows that a live version was scored on: how many of a `source` have labels, and, apart, those that it was trained
    on, which flatter it. `metric` is the one to lead with.
    """

    holds_rows: ClassVar[bool] = False

    kind: Literal["scored_rows"] = "scored_rows"
    source: str
    unlabelled: int
    metric: str
    parts: tuple[PartScores, ...]

    @property
    def heading(self) -> str:
        """What the parts tell."""
        return "Rows that it was trained on, and others"

    @property
    def trained_on(self) -> int:
        """Rows of which the version was trained on the very same."""
        return sum(scores.rows for scores in self.parts if scores.part == TRAINED_ON)

    @property
    def summary(self) -> str:
        """The leading metric of each part, and how many rows have no label."""
        words = "; ".join(self._words(scores) for scores in self.parts if scores.rows)
        return f"{words}; {self.unlabelled:,} more without a label" if self.unlabelled else words

    def _words(self, scores: PartScores) -> str:
        measured = scores.metrics.get(self.metric)
        value = "too few to be measured" if measured is None else f"{self.metric} {measured.value:.3f}"
        flatters = ", which flatters it" if scores.part == TRAINED_ON else ""
        return f"{scores.rows:,} rows {scores.part}{flatters}: {value}"

    def table(self) -> Table:
        """A row each part and metric."""
        measured = (
            (scores.part, scores.rows, name, metric.value, metric.low, metric.high)
            for scores in self.parts
            for name, metric in scores.metrics.items()
        )
        few = ((scores.part, scores.rows, "too few", None, None, None) for scores in self.parts if not scores.metrics)
        title = f"{self.heading}: {self.source}, {self.unlabelled:,} rows without a label left out"
        return Table(title=title, columns=("rows", "number", "metric", "value", "low", "high"), rows=(*measured, *few))


class OtherSection(Section):
    """A section of a kind, or with fields, that this version does not know, as it was written."""

    model_config = ConfigDict(extra="allow")


KINDS: Mapping[str, type[Section]] = {
    member.model_fields["kind"].default: member
    for member in (Table, ConfusionMatrix, WorstTexts, WorstPictures, Residuals, Forgetting, EngineTable, ScoredRows)
}


def _known(value: object) -> object:
    """The section by its kind; one that is not known, or does not fit, as it is."""
    if isinstance(value, Section) or not isinstance(value, Mapping):
        return value
    member = KINDS.get(str(value.get("kind")), OtherSection)
    try:
        return member.model_validate(value)
    except ValidationError:
        return OtherSection.model_validate(value)


AnySection = Annotated[SerializeAsAny[Section], BeforeValidator(_known)]
"""Any of them; read from JSON by its `kind`."""


def _measured(scores: PartScores) -> Iterator[tuple[Cell, ...]]:
    if not scores.metrics:
        yield scores.part, scores.rows, "too few to be measured", None, None, None, None, None
    for name, metric in scores.metrics.items():
        champion, difference = scores.champion.get(name), scores.differences.get(name)
        theirs = None if champion is None else champion.value
        compared = (None, None, None) if difference is None else (difference.value, difference.low, difference.high)
        yield scores.part, scores.rows, name, metric.value, theirs, *compared


TOO_LITTLE = "less than could be measured"
"""Memory by which the process did not grow, as where an engine took what one before it had given back."""


def _engine_row(measured: MeasuredEngine) -> tuple[Cell, ...]:
    otherwise, lost = measured.disagreement, measured.loss
    return (
        measured.name,
        measured.rows_per_s,
        measured.latency_p50_ms,
        measured.latency_p95_ms,
        round(measured.memory_bytes / 1e6) or TOO_LITTLE,
        round(measured.size_bytes / 1e6, 1),
        None if otherwise is None else f"{_shares(otherwise)} of {measured.compared:,}",
        None if lost is None else f"{lost.value:+.4f} ({lost.low:+.4f} to {lost.high:+.4f})",
        "yes" if measured.admitted else "no",
        measured.reason,
    )


def _shares(metric: Metric) -> str:
    return f"{metric.value:.2%} ({metric.low:.2%} to {metric.high:.2%})"


def _cell(value: object) -> Cell:
    return value if isinstance(value, Cell) else str(value)
