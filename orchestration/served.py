"""The part of a configuration that its endpoint needs: who looks at it or ends it may lack what only a run needs.

served = load_served("prod.yaml", SERVED)  # without EVERGREEN_NEWS_TABLE and EVERGREEN_ENCODER in the environment

Neither ZenML nor the pipeline is imported: who only asks the endpoint would wait for them longer than for its answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

from evergreen.adapters.kinds import AnyHost
from evergreen.core.base import ModelName
from orchestration.configuration import Configuration, Extra, find
from orchestration.document import read
from orchestration.mistakes import Mistake, YamlPath
from orchestration.schema import check, tags
from orchestration.secrets import refuse_secrets

STACKS: YamlPath = ("extra", "stacks")
SERVED: Mapping[str, Any] = {"model_name": ModelName, "host": AnyHost}
"""The parameters that say which endpoint it is, with the types that they have in the pipeline."""


def load_served(name: str | Path, needed: Mapping[str, Any], model_name: str | None = None) -> Configuration:
    """The configuration with the `needed` parameters alone, a type each; the rest of the file is not looked at.

    Raises:
        InputError: no such file, or a ConfigurationError with every mistake in what is needed.
    """
    document = read(find(name))
    if model_name:
        document = document.with_parameter("model_name", model_name)
    refuse_secrets(document)
    annotations: dict[YamlPath, Any] = {
        ("parameters", parameter): annotation for parameter, annotation in needed.items()
    }
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
    unfilled = tuple(
        mistake for mistake in document.mistakes if any(mistake.path[: len(path)] == path for path in annotations)
    )
    if mistakes or unfilled:
        raise replace(document, mistakes=unfilled).error(mistakes, partly=True)
    parameters = SimpleNamespace(**{parameter: values["parameters", parameter] for parameter in needed})
    return Configuration(document.path, values[STACKS], parameters, document.values)
