"""The class names of a task, in the order of class numbers, composed as the labels of rows are."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from evergreen.core.names import Name


def _distinct(labels: tuple[str, ...]) -> tuple[str, ...]:
    if blank := [label for label in labels if not label.strip()]:
        raise ValueError(f"labels are not to be blank (got {blank[0]!r})")
    if repeated := sorted({label for label in labels if labels.count(label) > 1}):
        raise ValueError(f"labels repeat: {', '.join(repeated)}")
    return labels


Labels = Annotated[tuple[Name, ...], Field(min_length=2), AfterValidator(_distinct)]
