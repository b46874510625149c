"""Relative links and images in the documentation lead to files of the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
CODE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)


def documents() -> list[Path]:
    """Every *.md that git knows or would take, so that an environment's own files are not read."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],  # noqa: S607 (git of the PATH)
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = listed.stdout.splitlines() if listed.returncode == 0 else [*map(str, ROOT.glob("*.md"))]
    return sorted(ROOT / name for name in names if (ROOT / name).is_file())


def links(text: str) -> list[str]:
    """Targets outside code blocks that are no addresses of the web."""
    targets = LINK.findall(CODE.sub("", text))
    return [target for target in targets if not re.match(r"[a-z][a-z0-9+.-]*:", target)]


def leads_somewhere(document: Path, link: str) -> bool:
    """Whether the file is in the repository, and has the heading where the link names one."""
    name, _, anchor = link.partition("#")
    target = (document.parent / name).resolve() if name else document
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or target.suffix != ".md" or anchor in headings(target.read_text(encoding="utf-8"))


def headings(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+?)\s*$", CODE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_are_found_outside_code_only() -> None:
    text = '[a](b.md) ![c](d/e.png "title") [f](https://g) [h](#i)\n```\n[j](k)\n```\n'
    assert links(text) == ["b.md", "d/e.png", "#i"]


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert [link for link in links(text) if not leads_somewhere(document, link)] == []


def test_there_are_documents_with_links() -> None:
    assert any(links(path.read_text(encoding="utf-8")) for path in documents())


def test_every_file_of_docs_that_a_text_names_exists() -> None:
    named = {name for path in documents() for name in re.findall(r"\bdocs/[\w./-]+\.\w+", path.read_text("utf-8"))}
    assert named
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_every_file_of_the_code_that_a_guide_names_exists() -> None:
    guides = [
        path for path in documents() if path.parent.name != "decisions" and path.name != "CHANGELOG.md"
    ]  # history
    code = (
        r"(?<![\w./-])(?:evergreen|orchestration|commands|pipelines|steps|stacks|bench|cloudbox|infra)/[\w./-]*\w\.\w+"
    )
    named = {name for path in guides for name in re.findall(code, path.read_text("utf-8"))}
    assert named
    assert sorted(name for name in named if not (ROOT / name).exists()) == []
