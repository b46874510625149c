"""How much code the library is, to be seen, not enforced: `python -m bench.code_size` counts `evergreen/`.

files    217, 88 lines on average, 31 of them under 30
lines    19,191
longest  381  evergreen/serving/app.py
circles  0 packages with siblings that import each other in a circle
"""

from __future__ import annotations

import sys
from pathlib import Path

from grimp import build_graph

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = "evergreen"
SMALL = 30


def main() -> int:
    """Prints the size of the library; nothing fails by it."""
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in sorted((ROOT / LIBRARY).rglob("*.py"))}
    longest = max(lengths, key=lengths.__getitem__)
    total, small = sum(lengths.values()), sum(lines < SMALL for lines in lengths.values())
    print(f"files    {len(lengths)}, {total / len(lengths):.0f} lines on average, {small} of them under {SMALL}")
    print(f"lines    {total:,}")
    print(f"longest  {lengths[longest]}  {longest.relative_to(ROOT).as_posix()}")
    broken = circles(LIBRARY)
    print(f"circles  {len(broken)} packages with siblings that import each other in a circle")
    for package, imports in broken.items():
        for importer, imported in imports:
            names = (name.removeprefix(f"{package}.") for name in (importer, imported))
            print(f"         {package}: {' imports '.join(names)}")
    return 0


def circles(package: str) -> dict[str, list[tuple[str, str]]]:
    """By package with a circle among its siblings, the imports (of whom, of what) without which there would be none.

    As import-linter's `acyclic_siblings` finds them; imports for type checkers alone are counted.
    """
    graph = build_graph(package, cache_dir=None)
    packages = [name for name in sorted(graph.modules) if graph.find_children(name)]
    broken = {name: sorted(graph.nominate_cycle_breakers(name)) for name in packages}
    return {name: imports for name, imports in broken.items() if imports}


if __name__ == "__main__":
    sys.exit(main())
