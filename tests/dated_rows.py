"""Rows in a file, which tell of a day and came on one: four a day, of three days, and more that a test adds."""

from __future__ import annotations

import csv
from pathlib import Path

from evergreen.adapters.files.settings import FilesSettings

COLUMNS = {"id": "id", "text": "text", "label": "label", "timestamp": "day", "arrived": "arrived"}


def three_days(tmp_path: Path) -> Path:
    """Four rows a day, of three days."""
    path = tmp_path / "rows.csv"
    write(path, [(f"{day}-{number}", day, day) for day in (1, 2, 3) for number in range(4)])
    return path


def write(path: Path, some: list[tuple[str, int, int]]) -> None:
    """Rows of (id, day that it tells of, day of arrival)."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label", "day", "arrived"])
        writer.writerows(
            (name, f"text {name}", "ab"[number % 2], f"2026-05-{about:02d}", f"2026-05-{came:02d}T12:00:00+02:00")
            for number, (name, about, came) in enumerate(some)
        )


def append(path: Path, *some: tuple[str, int, int]) -> None:
    write(path.with_suffix(".more"), list(some))
    lines = path.with_suffix(".more").read_text(encoding="utf-8").splitlines(keepends=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(lines[1:])


def source(path: Path) -> FilesSettings:
    return FilesSettings(path=str(path), columns=COLUMNS)
