"""Headless Chromium, for tests of pages: Debian's, for the tests download no browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NO_CHROMIUM = "needs Chromium on the PATH (Debian: apt-get install chromium)"


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """A browser while the block runs."""
    from playwright.sync_api import sync_playwright

    given = ["--no-sandbox", "--disable-gpu", *arguments]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=given)
        yield browser
        browser.close()
