"""Packages that offer a member of an open union, as far as `importlib.metadata` looks at them."""

from pathlib import Path


def offer(folder: Path, name: str, group: str, kind: str, place: str) -> None:
    """Installs version 2.0 of a package that offers in the group, as this kind, what is at the place."""
    info = folder / f"{name}-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[{group}]\n{kind} = {place}\n", encoding="utf-8")
