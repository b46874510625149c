from __future__ import annotations

from collections.abc import Callable

import pytest

from evergreen.core.colours import colour_of
from evergreen.core.training import PictureAnswers
from evergreen.pages.answers import answers_page
from tests.unit.pages.reading import Page


@pytest.mark.parametrize("label", ["方块 🟥", "قطة", "$x_1$ & <b>", "économie"])
def test_labels_of_any_script_are_text_beside_the_colour_of_their_class(
    label: str, read: Callable[[str], Page]
) -> None:
    html = answers_page(PictureAnswers(labels=("地面", label), overlays=("iVBORw0KGgo=",)))
    assert f"地面 {label}" in " ".join(read(html).text.split())
    assert colour_of(1) in html
    assert "data:image/png;base64,iVBORw0KGgo=" in html
    assert "<script" not in html
