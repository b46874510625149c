"""What readers of a published text classifier are told of it, and how a person tries it in a browser.

{"text": "Shares rose"} in a text box, its labels as bars
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evergreen.core.publication import ModelDescription
from evergreen.tasks.text_classification.settings import TextClassification

_LINES = 5


class TextPresentation:
    """Shows classifiers of texts to others."""

    def __init__(self, task: TextClassification) -> None:
        self._task = task

    def describe(self) -> ModelDescription:
        """What readers of a published classifier are told of it."""
        return ModelDescription(
            pipeline_tag="text-classification",
            library="transformers",
            origin=f"Fine-tuned from `{self._task.encoder}`",
            intended_use=f"Gives a text one of the labels {', '.join(self._task.labels)}, with a probability for each.",
            limits=(
                f"A text is read up to {self._task.max_length_tokens} tokens; what follows is not seen.",
                "Every text gets one of the labels, also a text of another kind or language than those trained on.",
            ),
        )

    def demo(self) -> TextDemo:
        """A box for the text and its labels by probability."""
        return TextDemo()


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
