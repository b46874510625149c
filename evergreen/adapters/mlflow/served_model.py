"""How MLflow loads a registered version where it is asked for: by this module's name, so that nothing is pickled.

The model's own preprocessing answers, found by the name that the registration wrote down, e.g.
`evergreen.tasks:load_predictor`.

    mlflow.pyfunc.load_model("models:/news@champion").predict([{"text": "Shares rose on Monday."}])
    ->  [{"label": "business", "score": 0.98, "probabilities": {…}}]
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evergreen.core.protocols import Predictor


@dataclass(frozen=True)
class ServedModel:
    """Predictions as the endpoint gives them."""

    predictor: Predictor

    def predict(self, instances: Any) -> list[dict[str, Any]]:
        """One JSON object a row of a data frame, or an instance of a list.

        Raises:
            InstanceError: names the first instance that cannot be used.
        """
        rows = instances.to_dict("records") if hasattr(instances, "to_dict") else list(instances)
        return self.predictor.encode(self.predictor.predict(self.predictor.decode(rows)))


def _load_pyfunc(data_path: str, model_config: dict[str, Any]) -> ServedModel:
    """MLflow's entry: the name and the parameters are its own."""
    return ServedModel(pkgutil.resolve_name(model_config["loader"])(Path(data_path)))
