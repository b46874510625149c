"""A tiny text model published on the Hub that the environment leads to, in a process of its own.

`python -m tests.published_text FOLDER '{"repository": "evergreen/news"}' live|candidate [tag]` prints the publication
as JSON, or the one line of an error; with `tag` it ends without a word, as if killed, when it would set the tag.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from evergreen.adapters.huggingface_publish.publisher import HuggingFaceHub
from evergreen.adapters.huggingface_publish.repository import HubRepository
from evergreen.adapters.huggingface_publish.settings import HuggingFaceHubSettings
from evergreen.core.artifacts import SourceIdentity, TrainedModel
from evergreen.core.errors import EvergreenError
from evergreen.core.members import measurable, presentable, trainable
from evergreen.core.publication import Edition
from evergreen.core.report import EvaluationReport
from evergreen.tasks import load_task
from tests.tiny_text import RecordingRun, headlines, task_with, write_encoder, write_splits

EXAMPLES = ({"text": "shares of the bank"}, {"text": "the coach said a new match"})


def prepare(folder: Path) -> None:
    """Trains and evaluates a model below a folder."""
    task = task_with(write_encoder(folder / "encoder"), epochs=1)
    parts = {"train": headlines(60), "validation": headlines(12, 1), "test": headlines(24, 2)}
    splits = write_splits(folder / "splits", parts)
    model = trainable(task).train(splits, RecordingRun.below(folder))
    (folder / "report.json").write_text(
        measurable(task).evaluate(model, None, splits).model_dump_json(), encoding="utf-8"
    )


def edition(folder: Path) -> Edition:
    """What `prepare` made, to be published."""
    model = TrainedModel.open(folder / "model")
    return Edition(
        model_name="news",
        model=model,
        report=EvaluationReport.model_validate_json((folder / "report.json").read_text(encoding="utf-8")),
        data=SourceIdentity(kind="files", fingerprint="f" * 64, description="headlines.csv", rows=96),
        description=presentable(load_task(model.path)).describe(),
        examples=EXAMPLES,
    )


def main(folder: Path, configuration: str, stage: str, *cut_off: str) -> int:
    """0 when published."""
    if cut_off:
        HubRepository.tag = lambda *_: os._exit(9)  # type: ignore[method-assign]  # stands for a kill
    try:
        publication = HuggingFaceHub(HuggingFaceHubSettings.model_validate_json(configuration)).publish(
            edition(folder), live=stage == "live"
        )
        sys.stdout.write(publication.model_dump_json() + "\n")
    except EvergreenError as error:
        sys.stdout.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
