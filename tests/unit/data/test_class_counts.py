from pathlib import Path

import numpy as np
import pytest

from evergreen.core.artifacts import ClassCounts
from evergreen.data import class_counts
from evergreen.data.class_counts import ClassCountsWriter, by_code


def drawn(rows: int) -> np.ndarray:
    """Pixels of the classes 0, 1 and 255, each in about half of the rows; the first row has no mask."""
    draw = np.random.default_rng(rows)
    counts = np.zeros((rows, 256), dtype=np.int64)
    counts[:, [0, 1, 255]] = draw.integers(1, 2**40, (rows, 3)) * draw.integers(0, 2, (rows, 3))
    counts[0] = 0
    return counts


def written(counts: np.ndarray, parts: int, folder: Path) -> ClassCounts:
    with ClassCountsWriter(folder) as writer:
        for part in np.array_split(counts, parts):
            writer.add(part)
        return writer.finish()


def test_rows_and_pixels_are_summed_over_the_rows_of_one_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_counts, "GROUP_ROWS", 20)
    counts = drawn(95)
    codes = np.random.default_rng(1).integers(0, 4, 95).astype(np.uint8)
    kept = written(counts, 10, tmp_path)
    assert kept.manifest.rows == 95
    for code in range(4):
        chosen = counts[codes == code]
        rows, pixels = by_code(kept, codes, code)
        assert rows == {str(n): int((chosen[:, n] > 0).sum()) for n in (0, 1, 255)}
        assert pixels == {str(n): int(chosen[:, n].sum()) for n in (0, 1, 255)}


def test_equal_counts_have_equal_hashes_and_others_have_others(tmp_path: Path) -> None:
    first, same, other = (written(drawn(rows), 4, tmp_path / name) for rows, name in ((30, "a"), (30, "b"), (31, "c")))
    assert first.manifest.content_hash == same.manifest.content_hash != other.manifest.content_hash


def test_rows_without_masks_have_no_counts(tmp_path: Path) -> None:
    with ClassCountsWriter(tmp_path) as writer:
        nothing = writer.finish()
    assert (nothing.manifest.rows, nothing.manifest.files) == (0, ())
    assert ClassCounts.open(tmp_path).shards == []
