"""The model card: a template filled with what the evaluation measured; the same numbers as metadata (model-index)."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.core.metric import Metric
from evergreen.core.publication import Edition
from evergreen.core.report import ClassReport, EvaluationReport
from evergreen.core.sections import Table

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

_LOCAL_FOLDERS = re.compile(r"(?<!\S)/(?:[^/\s]+/)+")
"""The folders of a path on somebody's machine, which concern no reader."""
MOST_TABLE_ROWS = 25
TEMPLATE = Path(__file__).with_name("card.md")


def model_card(edition: Edition, repository: str, revision: str, license_name: str | None) -> str:
    """The README.md of a version; equal editions have equal cards."""
    from huggingface_hub import ModelCard

    report, data, described = edition.report, edition.data, edition.description
    columns = sorted({name for measured in report.per_class.values() for name in measured.metrics})
    lead = (
        report.primary_metric
        if report.primary_metric in report.baseline.metrics
        else next(iter(report.baseline.metrics), None)
    )
    card = ModelCard.from_template(
        _metadata(edition, license_name),
        template_path=str(TEMPLATE),
        model_name=edition.model_name,
        version=edition.version,
        intended_use=described.intended_use,
        origin=described.origin,
        rows=f"{report.rows:,}",
        confidence=f"{100 * report.confidence:g}",
        metrics=[_row(_directed(report, name), metric) for name, metric in report.metrics.items()],
        baseline_label=report.baseline.label,
        baseline=f"{lead} {_number(report.baseline.metrics[lead])}" if lead else "nothing that was measured",
        references=[
            (simple.label, lead, _number(simple.metrics[lead]))
            for simple in report.references
            if lead in simple.metrics
        ],
        class_metrics=columns,
        classes=[
            (_cell(label), measured.support, _values(measured, columns)) for label, measured in report.per_class.items()
        ],
        tables=[_cells(section.table()) for section in report.sections if not section.holds_rows],
        data=_LOCAL_FOLDERS.sub("", data.description),
        window=f"{data.window.start:%Y-%m-%d %H:%M} to {data.window.end:%Y-%m-%d %H:%M} UTC" if data.window else None,
        source_rows=f"{data.rows:,}" if data.rows is not None else None,
        fingerprint=data.fingerprint,
        trained_on=edition.model.manifest.trained_on,
        limits=described.limits,
        license=license_name,
        repository=repository,
        revision=revision,
    )
    return str(card.content)


def _metadata(edition: Edition, license_name: str | None) -> ModelCardData:
    from huggingface_hub import EvalResult, ModelCardData

    tag = edition.description.pipeline_tag
    results = [
        EvalResult(
            task_type=tag,
            dataset_type=edition.data.kind,
            dataset_name=_LOCAL_FOLDERS.sub("", edition.data.description),
            dataset_split="test",
            metric_type=name,
            metric_value=metric.value,
            metric_name=name,
        )
        for name, metric in edition.report.metrics.items()
        if math.isfinite(metric.value)
    ]
    return ModelCardData(
        model_name=edition.model_name,
        eval_results=results or None,
        library_name=edition.description.library,
        license=license_name,
        pipeline_tag=tag,
        tags=["evergreen"],
    )


def _directed(report: EvaluationReport, name: str) -> str:
    """The metric, with its unit, and a word where less is better."""
    spec = report.spec(name)
    named = f"{name}, {spec.unit}" if spec.unit else name
    return named if spec.higher else f"{named} (lower is better)"


def _row(name: str, metric: Metric) -> dict[str, str]:
    return {
        "name": name,
        "value": _number(metric.value),
        "low": _number(metric.low),
        "high": _number(metric.high),
    }


def _cells(table: Table) -> Table:
    """The table with cells as Markdown has them."""
    rows = tuple(
        tuple(_number(cell) if isinstance(cell, float) else _cell("" if cell is None else str(cell)) for cell in row)
        for row in table.rows[:MOST_TABLE_ROWS]
    )
    return Table(title=_cell(table.title), columns=tuple(map(_cell, table.columns)), rows=rows)


def _values(report: ClassReport, columns: list[str]) -> list[str]:
    return [_number(report.metrics[name].value) if name in report.metrics else "" for name in columns]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "undefined"
