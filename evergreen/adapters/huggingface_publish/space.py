"""The files of a Space: this very library, its requirements, and an app pinned to one revision of the model.

README.md  app.py  requirements.txt  examples.json  evergreen/…
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from evergreen.core.publication import Edition
from evergreen.runtime.processes import LIBRARY_ROOT

LIBRARY = LIBRARY_ROOT / "evergreen"
PARTS = {".py", ".html", ".css", ".js", ".md"}
"""Suffixes of the library's files; what else lies in its folder is not published."""
REQUIREMENTS = LIBRARY_ROOT / "infra" / "serving-requirements.txt"
"""What the prediction server runs on; a Space adds Gradio by its `sdk_version`."""
GRADIO_VERSION = "6.31.0"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""Of torch without CUDA, whose gigabytes a Space on a CPU would fetch at every build, and never use."""
APP = '''"""Tries {repository} at {revision}: the code of its training and its endpoint, with a page around it."""

import json
from pathlib import Path

from evergreen.demo.app import page, published_model

examples = json.loads(Path(__file__).with_name("examples.json").read_text(encoding="utf-8"))
demo = page(published_model("{repository}", "{revision}"), examples, "{title}", "{description}")

if __name__ == "__main__":
    demo.launch()
'''
README = """---
title: {title}
sdk: gradio
sdk_version: {gradio}
python_version: "3.11"
app_file: app.py
models:
- {repository}
---

Tries [{repository}]({url}) at `{revision}`. A private model needs a secret `HF_TOKEN` of this Space that may read it.
"""


def space_requirements(text: str) -> str:
    """The server's requirements, with torch for CPUs."""
    return f"--extra-index-url {CPU_INDEX}\n" + re.sub(r"^(torch==[\w.]+)$", r"\1+cpu", text, flags=re.MULTILINE)


def library_files() -> dict[str, Path]:
    """Every file of the library by its path in a Space, such as `evergreen/demo/app.py`, in order.

    They go there as they are: the Hub installs `requirements.txt` before it adds the other files, a wheel among them.
    """
    return {
        path.relative_to(LIBRARY_ROOT).as_posix(): path
        for path in sorted(LIBRARY.rglob("*"))
        if path.suffix in PARTS and not any(part.startswith((".", "__pycache__")) for part in path.parts[-3:])
    }


def space_files(edition: Edition, repository: str, revision: str, url: str) -> dict[str, Path | bytes]:
    """Contents by path; what the serving image copies of the library is what a Space gets."""
    description = f"Version {edition.version}, as it is served."
    texts = {
        "README.md": README.format(
            title=edition.model_name, gradio=GRADIO_VERSION, repository=repository, revision=revision, url=url
        ),
        "app.py": APP.format(
            repository=repository, revision=revision, title=edition.model_name, description=description
        ),
        "requirements.txt": space_requirements(REQUIREMENTS.read_text(encoding="utf-8")),
        "examples.json": json.dumps(list(edition.examples), indent=1, ensure_ascii=False) + "\n",
    }
    library: dict[str, Path | bytes] = {**library_files()}
    return library | {name: text.encode() for name, text in texts.items()}
