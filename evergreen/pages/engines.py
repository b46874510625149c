"""The page of the engines of a model."""

from __future__ import annotations

from evergreen.core.engines import EnginesManifest
from evergreen.pages.render import render


def engines_page(manifest: EnginesManifest) -> str:
    """HTML: the graphs, their size and what made them, or why there are none."""
    sizes = {entry.name: entry.bytes for entry in manifest.files}
    graphs = [(variant, sizes.get(variant.file, 0) / 1e6) for variant in manifest.variants]
    return render("engines.html", manifest=manifest, graphs=graphs)
