"""What a gate names is checked when the configuration is read, against the task that is configured."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.configuration import load
from orchestration.mistakes import ConfigurationError
from pipelines.training import training

LOCAL = Path(__file__).parents[2] / "configs" / "local.yaml"


def test_all_that_a_gate_names_wrongly_is_told_before_any_step_with_other_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    gate = "minimum: {acuracy: 0.9, mean_iou: 0.5}\n    margin: {macro_f1: 5}\n    maximum: {accuracy: 0.99}"
    text = LOCAL.read_text().replace("minimum: {accuracy: 0.9, macro_f1: 0.88}", gate)
    path.write_text(text.replace("  task:\n", "  task:\n    epoch: 3\n"))
    with pytest.raises(ConfigurationError) as failure:
        load(str(path), training)
    message = str(failure.value)
    assert "parameters.gate.minimum.acuracy: unknown metric 'acuracy'; did you mean 'accuracy'?" in message
    assert "parameters.gate.minimum.mean_iou: unknown metric 'mean_iou'" in message
    assert "allowed: accuracy, macro_f1, macro_precision, macro_recall" in message
    assert "parameters.gate.margin.macro_f1: macro_f1 is 0 to 1, got 5" in message
    assert "parameters.gate.maximum.accuracy: accuracy is better when higher" in message
    assert "parameters.task.epoch" in message
