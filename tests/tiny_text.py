"""A text classifier that trains in seconds: invented headlines and a two-layer encoder with random weights.

`python -m tests.tiny_text ENCODER SPLITS RUN` trains as a process of its own, which a test may kill.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evergreen.core.artifacts import FileEntry, Splits, SplitsManifest
from evergreen.core.members import trainable
from evergreen.core.training import Curves, PictureAnswers
from evergreen.tasks.text_classification.settings import TextClassification

WORDS = {
    "money": ["shares", "bank", "profit", "market", "trade", "dollar", "price", "loan"],
    "games": ["goal", "match", "team", "coach", "player", "season", "league", "score"],
    "state": ["minister", "vote", "law", "election", "party", "treaty", "court", "tax"],
}
LABELS = tuple(WORDS)
FILLER = ["the", "a", "of", "on", "in", "after", "before", "with", "and", "said", "new", "last", "week"]
Row = tuple[str, str]


def headlines(count: int, seed: int = 0) -> list[Row]:
    """(text, label) pairs of 4 to 24 words, a third of them telling the label."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        label = LABELS[number % len(LABELS)]
        words = [draw.choice(WORDS[label] if draw.random() < 0.35 else FILLER) for _ in range(draw.randint(3, 23))]
        rows.append((" ".join([*words, draw.choice(WORDS[label])]), label))
    return rows


def write_splits(path: Path, parts: Mapping[str, Sequence[Row]]) -> Splits:
    """A splits artifact of (text, label) rows, in shards of at most 100 rows."""
    for split, rows in parts.items():
        (path / split).mkdir(parents=True)
        for number, start in enumerate(range(0, len(rows), 100)):
            shard = rows[start : start + 100]
            columns = {
                "id": [f"{split}-{start + at}" for at in range(len(shard))],
                "text": [text for text, _ in shard],
                "label": [label for _, label in shard],
            }
            pq.write_table(pa.table(columns), path / split / f"rows-{number:05d}.parquet")
    manifest = SplitsManifest(
        files=tuple(FileEntry.of(file, path) for file in sorted(path.rglob("*.parquet"))),
        dataset="0" * 64,
        seed=0,
        rows={split: len(rows) for split, rows in parts.items()},
        labels={
            split: {label: sum(given == label for _, given in rows) for label in LABELS}
            for split, rows in parts.items()
        },
        removed={},
    )
    return Splits.write(path, manifest)


def write_encoder(path: Path) -> Path:
    """A folder with a BERT of 2 layers and 32 units, and a whole-word tokenizer."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *FILLER, *(word for some in WORDS.values() for word in some)]
    path.mkdir(parents=True)
    (path / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(vocab={word: number for number, word in enumerate(words)}).save_pretrained(path)
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(words),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
        )
    ).save_pretrained(path)
    return path


def task_with(encoder: Path, **changes: Any) -> TextClassification:
    """A task whose settings suit the tiny encoder."""
    settings: dict[str, Any] = {
        "train_embeddings": True,
        "learning_rate": 5e-3,
        "batch_size": 8,
        "max_length_tokens": 32,
    }
    settings |= {"precision": "fp32", "head_learning_rate_factor": 1.0} | changes
    return TextClassification(encoder=str(encoder), labels=LABELS, **settings)


@dataclass
class RecordingRun:
    """A training run that keeps what it is told, and prints the progress."""

    out_dir: Path
    checkpoint_dir: Path
    seed: int = 1
    moved: bool = False
    points: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    curves: Curves | None = None
    answers: PictureAnswers | None = None
    progress: list[tuple[int, int]] = field(default_factory=list)
    saved: list[list[str]] = field(default_factory=list)

    @classmethod
    def below(cls, folder: Path, seed: int = 1) -> RecordingRun:
        run = cls(folder / "model", folder / "checkpoints", seed)
        for path in (run.out_dir, run.checkpoint_dir):
            path.mkdir(parents=True, exist_ok=True)
        return run

    def checkpoint_saved(self) -> None:
        self.saved.append(sorted(path.name for path in self.checkpoint_dir.glob("checkpoint-*")))

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self.points.append((step, dict(metrics)))

    def show_curves(self, curves: Curves) -> None:
        self.curves = curves

    def show_answers(self, answers: PictureAnswers) -> None:
        self.answers = answers

    def report_progress(self, rows: int, total_rows: int, loss: float, seconds_left: float) -> None:
        self.progress.append((rows, total_rows))
        sys.stdout.write(f"{rows} of {total_rows} rows, loss {loss:.3f}, {seconds_left:.0f} s left\n")
        sys.stdout.flush()


def main(encoder: Path, splits: Path, folder: Path) -> None:
    """Trains two epochs with dropout, so that resuming has random states to restore."""
    trainable(killable_task(encoder)).train(Splits.open(splits), RecordingRun.below(folder))


def killable_task(encoder: Path) -> TextClassification:
    """Long enough to be killed in the middle."""
    return task_with(encoder, epochs=2, dropout=0.1)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
