"""Three days of a tiny model, whose commands run in this one process: `python -m tests.three_days FOLDER STATE` prints
what the first training printed, and then each day, as a line of JSON each.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from commands.parser import main
from tests import tiny_text
from tests.article_days import Article, ArticleDays
from tests.days import Day
from tests.local_place import LocalPlace

ASKED, JOINING = 120, 10
PARAMETERS: dict[str, Any] = {
    "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
    "gate": {"min_test_rows": 1, "baselines": "report"},
    "engines": {"max_train_rows": 0},
}
TASK: dict[str, Any] = {
    "kind": "text_classification",
    "labels": ["money", "games"],
    "train_embeddings": True,
    "learning_rate": 5e-3,
    "batch_size": 8,
    "max_length_tokens": 32,
    "epochs": 10,
}
MONITORING: dict[str, Any] = {
    "drift": {"min_rows": 60, "min_requests": 30, "level": 0.001, "min_shift": 0.3, "min_share_shift": 0.2}
}


def articles(count: int, seed: int, *, moved: bool = False) -> list[Article]:
    """Headlines for two desks. Those of the state hardly come, and money has them; once the world `moved` many come,
    and games has them.
    """
    usual = [row for row in tiny_text.headlines(2 * count, seed) if row[1] != "state"]
    state = [text for text, label in tiny_text.headlines(2 * count, seed + 1000) if label == "state"]
    new = count // 2 if moved else count // 25
    told = [*((text, "games" if moved else "money") for text in state[:new]), *usual[: count - new]]
    random.Random(seed).shuffle(told)
    return told


def run(*arguments: object) -> str:
    """What a command prints that succeeds."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = main([str(argument) for argument in arguments])
    if code:
        sys.exit(f"{arguments} exited with {code}\n{printed.getvalue()}")
    return printed.getvalue()


def live(folder: Path, state: Path) -> Iterator[Day | str]:
    """What the first training prints, and then each day."""
    encoder = str(tiny_text.write_encoder(folder / "encoder"))
    place = LocalPlace(folder, state, run)
    days = ArticleDays(place, {**PARAMETERS, "task": {**TASK, "encoder": encoder}}, MONITORING)
    yield days.first(articles(300, 0))
    yield days.day(1, articles(ASKED, 1), JOINING)
    yield days.day(2, articles(ASKED, 2, moved=True), ASKED)
    yield days.day(3, articles(ASKED, 3, moved=True), JOINING)


def plain(told: Day | str) -> Any:
    """As JSON has it."""
    if isinstance(told, str):
        return told
    return {**told._asdict(), "verdict": told.verdict.model_dump(mode="json")}


if __name__ == "__main__":
    for told in live(Path(sys.argv[1]), Path(sys.argv[2])):
        sys.stdout.write(json.dumps(plain(told)) + "\n")
