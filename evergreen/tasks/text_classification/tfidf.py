"""What words and characters say by themselves: a logistic regression of TF-IDF, fitted in seconds on whole texts.

An encoder that is behind it earns nothing. Words alone would be a straw man in languages without blanks, so runs of one
to three characters count as well. TF-IDF: Salton and Buckley, *Information Processing & Management* 24, 1988.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evergreen.core.artifacts import SplitName, Splits
from evergreen.data.shards import iter_batches
from evergreen.evaluation.measure import Numbers

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

NAME = "logistic regression of TF-IDF"
MAX_ROWS = 20_000
MAX_CHARS = 20_000_000
CHARS_BY_CLASSES = 100_000_000
"""Time grows with characters times classes: with many classes it is fitted on fewer texts."""
MAX_CHARS_PER_TEXT = 100_000
HASHES = 1 << 18
MAX_FEATURES = 1 << 16
MAX_COEFFICIENTS = 2_000_000
REGULARISATION = 10.0
STEPS = 200
CHARS_AT_ONCE = 500_000
"""Of counting, whose memory is some 70 bytes a character."""


class TfidfRegression:
    """Fitted on the train split: on all rows, or on those whose content hashes come first, up to a bounded size.

    `fitted_on` is how many rows that were; None: all.
    """

    def __init__(self, splits: Splits, labels: tuple[str, ...]) -> None:
        numbers = {label: number for number, label in enumerate(labels)}
        rows = _sampled(splits, numbers)
        self.fitted_on = len(rows) if len(rows) < splits.manifest.rows[SplitName.TRAIN] else None
        truth = np.array([number for _, number in rows], dtype=np.int64)
        alike = not len(truth) or (truth == truth[0]).all()
        self._only = (int(truth[0]) if len(truth) else 0) if alike else None
        if self._only is None:
            self._fit([text for text, _ in rows], truth, len(labels))

    def answer(self, texts: Sequence[str]) -> Numbers:
        """(rows,) class numbers."""
        if self._only is not None:
            return np.full(len(texts), self._only, dtype=np.int64)
        inputs = self._weighted([self._counted(texts, at) for at in range(len(self._counters))])
        return np.asarray(self._model.predict(inputs), dtype=np.int64)

    def _fit(self, texts: Sequence[str], truth: Numbers, classes: int) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
        from sklearn.linear_model import LogisticRegression

        plain = {"n_features": HASHES, "norm": None, "alternate_sign": False, "dtype": np.float32}
        self._counters: list[Any] = [
            HashingVectorizer(ngram_range=(1, 2), **plain),
            HashingVectorizer(analyzer="char_wb", ngram_range=(1, 3), **plain),
        ]
        most = min(MAX_FEATURES, max(1, MAX_COEFFICIENTS // (len(self._counters) * classes)))
        self._kept: list[Numbers] = [np.arange(HASHES)] * len(self._counters)
        self._weights: list[Any] = [TfidfTransformer(sublinear_tf=True) for _ in self._counters]
        counted = []
        for at, weights in enumerate(self._weights):
            self._kept[at] = _most_frequent(self._parts(texts, at), most)
            counted.append(self._counted(texts, at))
            weights.fit(counted[-1])
        self._model: Any = LogisticRegression(C=REGULARISATION, max_iter=STEPS)
        self._model.fit(self._weighted(counted), truth)

    def _counted(self, texts: Sequence[str], at: int) -> csr_matrix:
        """(rows, features) counts of one kind; what two texts share of a hash, they share of a feature."""
        from scipy.sparse import vstack

        parts = [part[:, self._kept[at]] for part in self._parts(texts, at)]
        return vstack(parts, format="csr") if parts else self._counters[at].transform([])[:, self._kept[at]]

    def _parts(self, texts: Sequence[str], at: int) -> Iterator[csr_matrix]:
        """(some rows, HASHES) counts of one kind, a few texts at a time: most of what they hold is not kept."""
        for some in few_texts(texts):
            yield self._counters[at].transform(some)

    def _weighted(self, counted: Sequence[csr_matrix]) -> csr_matrix:
        from scipy.sparse import hstack

        return hstack([weights.transform(part) for weights, part in zip(self._weights, counted, strict=True)]).tocsr()


def few_texts(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts, cut to MAX_CHARS_PER_TEXT, in lists of up to CHARS_AT_ONCE characters, at least one text each."""
    some: list[str] = []
    chars = 0
    for text in texts:
        cut = text[:MAX_CHARS_PER_TEXT]
        if some and chars + len(cut) > CHARS_AT_ONCE:
            yield some
            some, chars = [], 0
        some.append(cut)
        chars += len(cut)
    if some:
        yield some


def _most_frequent(parts: Iterable[csr_matrix], most: int) -> Numbers:
    """Columns that most rows have, in order; of equals the first."""
    rows = np.zeros(HASHES, dtype=np.int64)
    for part in parts:
        rows += np.bincount(part.indices, minlength=HASHES)
    return np.sort(np.argsort(-rows, kind="stable")[: max(1, min(most, int((rows > 0).sum())))])


def _sampled(splits: Splits, numbers: dict[str, int]) -> list[tuple[str, int]]:
    """(text, class number) of the rows whose content hashes come first, as many as fit; whatever order rows come in."""
    room = min(MAX_CHARS, max(MAX_CHARS // 10, CHARS_BY_CLASSES // len(numbers)))
    heap: list[tuple[int, str, int]] = []  # the last hash first
    chars = 0
    for text, label in _rows(splits):
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        heapq.heappush(heap, (-int.from_bytes(digest, "big"), text, numbers[label]))
        chars += len(text)
        while len(heap) > 1 and (chars > room or len(heap) > MAX_ROWS):
            chars -= len(heapq.heappop(heap)[1])
    return [(text, number) for _, text, number in sorted(heap, reverse=True)]


def _rows(splits: Splits) -> Iterator[tuple[str, str]]:
    for batch in iter_batches(splits.shards(SplitName.TRAIN), ["text", "label"]):
        texts, labels = (batch.column(name).to_pylist() for name in ("text", "label"))
        yield from zip((text[:MAX_CHARS_PER_TEXT] for text in texts), labels, strict=True)
