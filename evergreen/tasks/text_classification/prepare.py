"""Texts made ready for training: composed Unicode, every run of white space one space, and a label that is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evergreen.core.preparation import PreparedRows
from evergreen.data.plain import composed

if TYPE_CHECKING:
    import pyarrow as pa


def prepare_texts(rows: pa.RecordBatch, labels: Sequence[str], max_text_chars: int) -> PreparedRows:
    """The good rows; counted are those of each label."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = pc.utf8_trim_whitespace(composed(pc.fill_null(rows["text"], "")))
    texts = pc.binary_join(pc.utf8_split_whitespace(whole), " ")
    bad: list[tuple[str, str]] = []
    good = []
    for row, (name, text, label) in enumerate(
        zip(rows["id"].to_pylist(), texts.to_pylist(), rows["label"].to_pylist(), strict=True)
    ):
        reason = _reason(text, label, labels, max_text_chars)
        if reason is None:
            good.append(row)
        else:
            bad.append((name or "(no id)", reason))
    place = rows.schema.get_field_index("text")
    kept = rows.set_column(place, "text", texts).take(pa.array(good, pa.int64()))
    listed = kept["label"].value_counts().to_pylist()
    return PreparedRows(kept, bad, {"label": {one["values"]: one["counts"] for one in listed}})


def _reason(text: str, label: str | None, labels: Sequence[str], most: int) -> str | None:
    if not text:
        return "null or blank text"
    if len(text) > most:
        return f"text longer than {most:,} characters"
    if label not in labels:
        return f"unknown label ({label!r:.60}, allowed: {', '.join(labels)})"
    return None
