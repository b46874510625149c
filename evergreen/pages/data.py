"""Pages of the data's way into a run: what the source holds, what was fetched, what it looks like, how it was split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evergreen.core.artifacts import ClassCountsManifest, DatasetManifest, SourceIdentity, SplitName, SplitsManifest
from evergreen.core.coverage import Coverage, gaps, intervals
from evergreen.core.part import Part
from evergreen.core.validation import PictureStatistics, ValidationReport
from evergreen.pages.charts import SERIES_TONES, Bar, Group, bars, histogram, legend
from evergreen.pages.formatting import UNDEFINED, compact, counted, percent, ratio, size
from evergreen.pages.render import render
from evergreen.pages.thumbnails import thumbnail

MOST_BARS = 20
MOST_SAMPLES = 10
MOST_SET_ASIDE = 100
_STARTS = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG"}


def identity_page(identity: SourceIdentity) -> str:
    """HTML: which rows the source holds now."""
    return render("identity.html", identity=identity)


def part_page(part: Part) -> str:
    """HTML: which rows of its source a run reads."""
    return render("part.html", part=part)


def coverage_page(coverage: Coverage) -> str:
    """HTML: which rows a version was trained on."""
    return render("coverage.html", coverage=coverage, intervals=intervals(coverage), gaps=gaps(coverage))


def dataset_page(manifest: DatasetManifest, samples: Sequence[Mapping[str, object]] = ()) -> str:
    """HTML: what was fetched, in which shards; `samples` are a few rows (column → value) to look at."""
    return render(
        "dataset.html",
        manifest=manifest,
        samples=[_shown(row) for row in samples[:MOST_SAMPLES]],
        thumbnails=[shown for row in samples[:MOST_SAMPLES] if (shown := _thumbnail(row))],
        bytes=sum(entry.bytes for entry in manifest.files),
    )


def class_counts_page(manifest: ClassCountsManifest) -> str:
    """HTML: in how many masks classes were counted."""
    return render("class_counts.html", manifest=manifest)


def validation_page(report: ValidationReport) -> str:
    """HTML: columns, labels, lengths of texts or sizes and pixels of pictures, and anomalies of a valid dataset."""
    if report.pictures is not None:
        return _pictures_page(report, report.pictures)
    labels = sorted(report.labels.items(), key=lambda pair: (-pair[1], pair[0]))
    return render(
        "validation.html",
        report=report,
        labels=labels,
        total=sum(report.labels.values()),
        label_chart=_label_chart(labels),
        length_chart=histogram("Rows by text length", report.length_histogram, "characters, up to"),
        imbalance=f"{compact(ratio(labels[0][1], labels[-1][1]))} : 1" if labels else None,
    )


def _pictures_page(report: ValidationReport, pictures: PictureStatistics) -> str:
    shares = sorted(pictures.class_shares.items(), key=lambda pair: (-pair[1], pair[0]))
    groups = [Group(label, (Bar(share, percent(share)),)) for label, share in shares[:MOST_BARS]]
    return render(
        "validation_pictures.html",
        report=report,
        pictures=pictures,
        shares=shares,
        share_chart=bars("Pixels by class", groups),
        most_bars=MOST_BARS,
        kept=report.rows - len(report.set_aside),
        set_aside=list(report.set_aside.items())[:MOST_SET_ASIDE],
        imbalance=f"{compact(ratio(shares[0][1], shares[-1][1]))} : 1" if shares else UNDEFINED,
        channels=list(zip(("Red", "Green", "Blue"), pictures.channel_means, pictures.channel_deviations, strict=True)),
    )


def _thumbnail(row: Mapping[str, object]) -> tuple[str, str] | None:
    """The row's id and its picture; None: it has none that can be shown."""
    image, mask = row.get("image"), row.get("mask")
    if not isinstance(image, bytes):
        return None
    made = thumbnail(image, mask if isinstance(mask, bytes) else None)
    return None if made is None else (str(row.get("id")), made)


def _shown(row: Mapping[str, object]) -> dict[str, object]:
    """The row with bytes told by their kind and size."""
    return {name: _described(value) if isinstance(value, bytes) else value for name, value in row.items()}


def _described(content: bytes) -> str:
    kinds = (kind for start, kind in _STARTS.items() if content.startswith(start))
    return f"{next(kinds, 'bytes')}, {size(len(content))}"


def split_page(manifest: SplitsManifest) -> str:
    """HTML: rows and label balance of every split, what was left out and what the split guarantees."""
    splits = [split for split in SplitName.ALL if split in manifest.rows]
    splits += sorted(set(manifest.rows) - set(splits))
    kept = sum(manifest.rows.values())
    labels = sorted({label for counts in manifest.labels.values() for label in counts})
    shares = {label: {split: _share(manifest, split, label) for split in splits} for label in labels}
    drift = max((max(row.values()) - min(row.values()) for row in shares.values() if row), default=0.0)
    return render(
        "split.html",
        manifest=manifest,
        splits=splits,
        kept=kept,
        removed=sorted(manifest.removed.items()),
        shares=shares,
        overlapping=any(sum(manifest.labels.get(split, {}).values()) > manifest.rows[split] for split in splits),
        drift=drift,
        row_chart=_row_chart(manifest, splits, kept),
        balance_legend=legend([(split, SERIES_TONES[i % 5]) for i, split in enumerate(splits)]),
        balance_chart=_balance_chart(shares, splits),
        most_bars=MOST_BARS,
    )


def _label_chart(labels: Sequence[tuple[str, int]]) -> object:
    total = sum(rows for _, rows in labels)
    groups = [Group(label, (_rows_bar(rows, total),)) for label, rows in labels[:MOST_BARS]]
    if rest := labels[MOST_BARS:]:
        rows = sum(rows for _, rows in rest)
        groups.append(Group(counted(len(rest), "other label"), (_rows_bar(rows, total, "quiet"),)))
    return bars("Rows by label", groups)


def _rows_bar(rows: int, total: int, tone: str = "accent") -> Bar:
    return Bar(rows, f"{rows:,} · {percent(ratio(rows, total))}", tone)


def _row_chart(manifest: SplitsManifest, splits: Sequence[str], kept: int) -> object:
    groups = [
        Group(split, (_rows_bar(manifest.rows[split], kept, SERIES_TONES[index % len(SERIES_TONES)]),))
        for index, split in enumerate(splits)
    ]
    return bars("Rows by split", groups)


def _balance_chart(shares: Mapping[str, Mapping[str, float]], splits: Sequence[str]) -> object:
    largest = sorted(shares, key=lambda label: (-max(shares[label].values(), default=0.0), label))[:MOST_BARS]
    groups = [
        Group(
            label,
            tuple(
                Bar(shares[label][split], percent(shares[label][split]), SERIES_TONES[index % len(SERIES_TONES)])
                for index, split in enumerate(splits)
            ),
        )
        for label in largest
    ]
    return bars("Share of each label by split", groups)


def _share(manifest: SplitsManifest, split: str, label: str) -> float:
    rows = manifest.rows.get(split, 0)
    return manifest.labels.get(split, {}).get(label, 0) / rows if rows else 0.0
