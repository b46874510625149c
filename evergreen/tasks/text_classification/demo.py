"""How a person tries a text classifier in a browser: {"text": "Shares rose"} in a text box, its labels as bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LINES = 5


class TextDemo:
    """A text box and a list of labels by probability."""

    def input(self) -> Any:
        """A text box."""
        import gradio

        return gradio.Textbox(label="Text", lines=_LINES)

    def output(self) -> Any:
        """Labels, the likeliest on top."""
        import gradio

        return gradio.Label(label="Label")

    def value(self, instance: Mapping[str, Any]) -> str:
        """The text."""
        return str(instance["text"])

    def instance(self, value: str) -> dict[str, Any]:
        """The text as an instance."""
        return {"text": value}

    def shown(self, value: str, prediction: Mapping[str, Any]) -> dict[str, float]:  # noqa: ARG002 (not shown again)
        """The probability of each label."""
        return dict(prediction["probabilities"])
