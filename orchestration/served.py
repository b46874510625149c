"""The part of a configuration that its endpoint needs: who looks at it or ends it may lack what only a run needs.

served = load_served("prod.yaml", training)  # without EVERGREEN_NEWS_TABLE and EVERGREEN_ENCODER in the environment
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_type_hints

from orchestration.configuration import Configuration, Extra, find
from orchestration.document import read
from orchestration.mistakes import Mistake, YamlPath
from orchestration.schema import check, tags
from orchestration.secrets import check_secrets

if TYPE_CHECKING:
    from zenml.pipelines.pipeline_definition import Pipeline

STACKS: YamlPath = ("extra", "stacks")
NEEDED = ("model_name", "host")


def load_served(name: str | Path, pipeline: Pipeline, model_name: str | None = None) -> Configuration:
    """The configuration with `model_name` and `host` as its only parameters; the rest of the file is not looked at.

    Raises:
        InputError: no such file, or a ConfigurationError with every mistake in what is needed.
    """
    document = read(find(name))
    if model_name:
        document = document.with_parameter("model_name", model_name)
    if secrets := list(check_secrets(document)):
        raise document.error(secrets)
    hints = get_type_hints(pipeline.entrypoint, include_extras=True)
    annotations: dict[YamlPath, Any] = {("parameters", one): hints[one] for one in NEEDED}
    annotations[STACKS] = get_type_hints(Extra, include_extras=True)["stacks"]
    values: dict[YamlPath, Any] = {}
    mistakes: list[Mistake] = []
    for path, annotation in annotations.items():
        try:
            values[path], wrong = check(annotation, document, path)
        except (KeyError, TypeError):
            kinds = tags(annotation)
            wrong = [Mistake(path, f"missing; a mapping with kind: {', '.join(kinds)}" if kinds else "missing")]
        mistakes += wrong
    unfilled = tuple(one for one in document.mistakes if any(one.path[: len(path)] == path for path in annotations))
    if mistakes or unfilled:
        raise replace(document, mistakes=unfilled).error(mistakes)
    parameters = SimpleNamespace(**{one: values["parameters", one] for one in NEEDED})
    return Configuration(document.path, values[STACKS], parameters, document.values)
