"""What readers of a published model are told of it, and how a person tries it in a browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evergreen.core.publication import ModelDescription
from text_regression.settings import TextRegression


class RegressionPresentation:
    """Shows regressions of texts to others."""

    def __init__(self, task: TextRegression) -> None:
        self._task = task

    def describe(self) -> ModelDescription:
        """What readers of a published model are told of it."""
        return ModelDescription(
            pipeline_tag="text-classification",  # the Hub's name for a number of a text, too
            library="scikit-learn",
            origin="A ridge regression of hashed words and runs of characters",
            intended_use=f"Gives a text a number {self._task.unit and f'in {self._task.unit}'}".rstrip() + ".",
            limits=("Every text gets a number, also one of another kind or language than those trained on.",),
        )

    def demo(self) -> RegressionDemo:
        """A box for the text and its number."""
        return RegressionDemo()


class RegressionDemo:
    """A text box and a number."""

    def input(self) -> Any:
        """A text box."""
        import gradio

        return gradio.Textbox(label="Text")

    def output(self) -> Any:
        """A number."""
        import gradio

        return gradio.Number(label="Number")

    def value(self, instance: Mapping[str, Any]) -> str:
        """The text."""
        return str(instance["text"])

    def instance(self, value: str) -> dict[str, Any]:
        """The text as an instance."""
        return {"text": value}

    def shown(self, value: str, prediction: Mapping[str, Any]) -> float:  # noqa: ARG002 - it is beside it
        """The number."""
        return float(prediction["value"])
