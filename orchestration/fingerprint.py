"""Hashes that decide what is rerun.

ZenML's cache key covers a step's own source; steps here are thin, so the key also takes the library they call.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

SOURCE_FOLDERS = ("evergreen", "steps", "orchestration")
SOURCE_SUFFIXES = (".py", ".html", ".css")
NUMERIC_PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "accelerate",
    "datasets",
    "evaluate",
    "scikit-learn",
    "numpy",
    "pillow",
    "pyarrow",
    "duckdb",
)


def library_fingerprint() -> str:
    """SHA-256 (hex) over our sources and the versions of the packages that numbers depend on."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for folder in SOURCE_FOLDERS:
        for path in sorted(one for one in (root / folder).rglob("*") if one.suffix in SOURCE_SUFFIXES):
            digest.update(f"{path.relative_to(root).as_posix()}\n".encode())
            digest.update(path.read_bytes())
    digest.update(json.dumps({name: version(name) for name in NUMERIC_PACKAGES}).encode())
    return digest.hexdigest()


def recipe_fingerprint(**ingredients: object) -> str:
    """SHA-256 (hex) of all that decides a trained model: code, and ingredients that JSON can hold."""
    recipe = {"library": library_fingerprint(), **ingredients}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
