"""A published Space as the Hub would start it, and a person in front of it, in headless Chromium."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evergreen.runtime.processes import free_port
from tests.browser import chromium
from tests.waiting import wait_until

ANSWER_TIMEOUT_MS = 60_000


def reader(home: Path, environment: Mapping[str, str], library: Path) -> dict[str, str]:
    """The environment of a machine that has the files in `library`, a token to read and nothing else of the project."""
    return {
        "PATH": environment["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(library),
        "HF_TOKEN": environment["HF_READ_TOKEN"],
        "HF_ENDPOINT": environment["HF_ENDPOINT"],
        "HF_HUB_DISABLE_XET": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
    }


@contextmanager
def running(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """The URL of the Space's app while the block runs."""
    import httpx

    port = free_port()
    given = environment | {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    log = folder.parent / "space.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [sys.executable, "app.py"], cwd=folder, env=given, stdout=out, stderr=subprocess.STDOUT
        ) as app,
    ):

        def up() -> bool:
            assert app.poll() is None, log.read_text(encoding="utf-8")
            try:
                return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == httpx.codes.OK
            except httpx.TransportError:
                return False

        try:
            wait_until(up, timeout_s=120)
            yield f"http://127.0.0.1:{port}/"
        finally:
            app.terminate()


def overlay_of(url: str, picture: Path, screenshot: Path) -> dict[str, Any]:
    """Uploads the picture, submits it, and tells what the page shows: the legend, and each layer's picture as bytes."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.goto(url)
        page.locator("input[type=file]").first.set_input_files(picture)
        page.get_by_role("button", name="Submit").click()
        layers = page.locator(".image-container img.mask")
        layers.first.wait_for(timeout=ANSWER_TIMEOUT_MS)
        legend = page.locator(".legend .legend-item").all_inner_texts()
        seen = [page.request.get(page.evaluate("one => one.src", one)).body() for one in layers.element_handles()]
        page.screenshot(path=screenshot)
    return {"legend": [text.strip() for text in legend], "layers": seen}
