"""The page to try an endpoint, with a person in front of it: by mouse, by keyboard, and what it lets other pages do."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from PIL import Image

from evergreen.core.colours import rgb_of
from tests import brightness_model
from tests.browser import CHROMIUM, NO_CHROMIUM, chromium
from tests.e2e.served import Served
from tests.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)]
HOSTILE = "goal </script><script>document.title = 'taken'</script>"
EVIL = "evil.example"
HEIGHT, WIDTH = 60, 90


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(f"--host-resolver-rules=MAP {EVIL} 127.0.0.1") as launched:
        yield launched


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two versions at 90 and 10 %, of which the first has examples."""
    served = Served(tmp_path_factory.mktemp("texts"))
    first, second = served.live("first"), served.upload("second")
    served.endpoint.deploy(second)
    served.endpoint.set_traffic({first: 90, second: 10})
    served.endpoint.offer(first, [{"text": "a match and a goal"}, {"text": "stocks of a bank"}, {"text": HOSTILE}])
    yield served
    served.endpoint.delete()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("pictures")
    served = Served(folder, brightness_model.COMMAND)
    trained = brightness_model.write_brightness_model(folder / "model")
    served.endpoint.upload(trained.version, trained.path)
    served.endpoint.deploy(trained.version)
    served.endpoint.set_traffic({trained.version: 100})
    served.endpoint.offer(trained.version, [{"image": base64.b64encode(bands()).decode("ascii")}])
    yield served
    served.endpoint.delete()


def bands() -> bytes:
    """A picture whose left third is ground, its middle thing, its right sky."""
    pixels = np.repeat(np.array([20, 120, 230], dtype=np.uint8), WIDTH // 3)
    encoded = io.BytesIO()
    Image.fromarray(np.broadcast_to(pixels[None, :, None], (HEIGHT, WIDTH, 3)).copy()).save(encoded, "PNG")
    return encoded.getvalue()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which nothing may go wrong but refused requests."""
    opened = browser.new_page(viewport={"width": 400, "height": 800})
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    yield opened
    opened.close()
    assert [error for error in wrong if "the server responded with a status of 4" not in error] == []


def address(served: Served) -> str:
    given = served.endpoint.status().page
    assert given is not None
    return given


def facts(page: Page) -> dict[str, str]:
    names, values = (page.locator(f"#facts {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return dict(zip(names, values, strict=True))


def told(page: Page, text: str) -> None:
    page.locator("#told", has_text=text).wait_for(timeout=20_000)


def colour_at(page: Page, row: int, column: int) -> list[int]:
    read = "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]"
    seen: list[int] = page.locator("canvas").evaluate(read, [column, row])
    return seen


def test_a_text_is_asked_by_mouse_and_its_labels_are_bars(texts: Served, page: Page) -> None:
    page.goto(address(texts))
    page.get_by_role("button", name="stocks of a bank").click()
    told(page, "business, 75 %")
    assert page.get_by_label("Text", exact=True).input_value() == "stocks of a bank"
    widths = page.locator(".bars .track i").evaluate_all("bars => bars.map((bar) => bar.style.width)")
    assert widths == ["75%", "25%"]
    seen = facts(page)
    assert seen["version"] in texts.endpoint.status().traffic
    assert seen["trace id"].startswith(seen["version"])
    assert seen["answered in"].endswith(" ms")
    shares = page.locator("#versions li").all_inner_texts()
    assert [share.split()[:2] for share in shares] == [["90", "%"], ["10", "%"]]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing lies beyond a small screen"


def test_a_text_is_asked_by_keyboard_of_a_version_that_is_chosen(texts: Served, page: Page) -> None:
    page.goto(address(texts))
    second = next(version for version, share in texts.endpoint.status().traffic.items() if share == 10)
    page.locator("#versions li").nth(1).wait_for()
    page.keyboard.press("Tab")
    page.keyboard.type("a late goal")
    for _ in range(5):  # three examples, the button, the choice
        page.keyboard.press("Tab")
    page.keyboard.type(second)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    told(page, "sport, 67 %")
    assert facts(page)["version"] == second
    assert page.locator("#told").get_attribute("aria-live") == "polite"


def test_a_refusal_is_told_as_the_endpoint_says_it(texts: Served, page: Page) -> None:
    page.goto(address(texts))
    page.get_by_label("Text", exact=True).fill(" ")
    page.get_by_label("Text", exact=True).press("Control+Enter")
    page.get_by_role("alert").filter(has_text="400: instances[0]: 'text' is blank").wait_for()
    assert len(facts(page)["trace id"]) == 32
    page.get_by_role("button", name="a match and a goal").click()
    told(page, "sport")
    assert page.locator("#refusal").text_content() == ""


def test_the_page_says_that_it_asks_while_an_answer_is_awaited(texts: Served, page: Page) -> None:
    requested: list[Route] = []
    page.goto(address(texts))
    page.route("**/predict", lambda route: requested.append(route))  # noqa: PLW0108 - no built-in can be one
    page.get_by_role("button", name="stocks of a bank").click()
    told(page, "asking…")
    assert page.locator("#told").get_attribute("role") == "status"
    assert facts(page) == {}
    requested[0].continue_()
    told(page, "business, 75 %")
    assert "asking" not in page.locator("#answer").inner_text()
    page.unroute("**/predict")
    page.get_by_role("button", name="a match and a goal").click()
    told(page, "sport")


def test_what_stands_in_an_example_runs_nowhere(texts: Served, page: Page) -> None:
    page.goto(address(texts))
    page.get_by_role("button", name="</script>").press("Enter")
    told(page, "sport")
    assert page.get_by_label("Text", exact=True).input_value() == HOSTILE
    assert page.title() == "news · Evergreen"


def test_a_picture_that_is_dropped_lies_below_its_mask(pictures: Served, page: Page) -> None:
    page.goto(address(pictures))
    drop = """([base64]) => {
        const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "bands.png", { type: "image/png" }));
        document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
    }"""
    page.evaluate(drop, [base64.b64encode(bands()).decode("ascii")])
    told(page, "mostly ground, 33 %")
    assert [colour_at(page, 30, column) for column in (5, 45, 85)] == [[*rgb_of(number), 255] for number in range(3)]
    assert page.locator(".picture img").evaluate("img => [img.naturalWidth, img.naturalHeight]") == [WIDTH, HEIGHT]
    assert page.locator(".picture canvas").get_attribute("aria-label") == "Mask: ground 33 %, thing 33 %, sky 33 %"
    page.get_by_role("button", name="Example 1").click()
    page.locator("#chosen", has_text="example 1").wait_for()


def test_a_picture_is_chosen_and_its_mask_looked_through_by_keyboard(
    pictures: Served, page: Page, tmp_path: Path
) -> None:
    (tmp_path / "bands.png").write_bytes(bands())
    page.on("filechooser", lambda _: None)  # has the browser tell of it by now: at the key it may be too late
    page.goto(address(pictures))
    page.bring_to_front()
    page.keyboard.press("Tab")
    page.locator("#file:focus").wait_for()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(tmp_path / "bands.png")
    told(page, "mostly ground")
    page.get_by_label("Mask", exact=True).focus()
    page.keyboard.press("Home")
    assert page.locator(".picture canvas").evaluate("canvas => canvas.style.opacity") == "0"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert [colour_at(page, 30, column)[3] for column in (5, 45, 85)] == [0, 255, 255], "ground is hidden"
    page.keyboard.press("Space")
    assert colour_at(page, 30, 5) == [*rgb_of(0), 255]


def test_what_is_no_picture_is_refused_by_the_endpoint_not_by_the_page(
    pictures: Served, page: Page, tmp_path: Path
) -> None:
    (tmp_path / "notes.png").write_bytes(b"no picture")
    page.goto(address(pictures))
    page.locator("input[type=file]").set_input_files(tmp_path / "notes.png")
    page.get_by_role("alert").filter(has_text="400: instances[0]: 'image'").wait_for()


def test_the_page_is_whole_and_its_policy_lets_nothing_else_in(texts: Served) -> None:
    answer = httpx.get(address(texts), headers={"accept": "text/html"}, trust_env=False)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not any(f'{outside}="http' in answer.text for outside in ("src", "href"))
    assert " onclick=" not in answer.text
    assert httpx.head(address(texts), headers={"accept": "text/html"}, trust_env=False).status_code == 200
    assert httpx.get(address(texts), trust_env=False).status_code == 404, "a program is told that this is no route"
    posted = httpx.post(address(texts), headers={"accept": "text/html"}, trust_env=False)
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET,HEAD")


def test_a_page_of_another_site_drives_no_endpoint(texts: Served, browser: Browser) -> None:
    with elsewhere() as port:
        page = browser.new_page()
        page.goto(f"http://{EVIL}:{port}/")
        assert page.evaluate(READING, texts.url()) == "TypeError", "nothing is read"
        assert page.evaluate(BLIND, texts.url()) == "opaque", "it was sent, and the page is not told how it went"
        page.close()
    wait_until(lambda: 403 in refused(texts))


BLIND = """async (url) => (await fetch(url, {
    method: "POST", mode: "no-cors", headers: { "content-type": "text/plain" },
    body: '{"instances": [{"text": "goal"}]}',
})).type"""
READING = """async (url) => {
    const headers = { "content-type": "application/json" };
    try {
        return (await fetch(url, { method: "POST", headers, body: '{"instances": [{"text": "goal"}]}' })).status;
    } catch (error) {
        return error.name;
    }
}"""


class Blank(BaseHTTPRequestHandler):
    """A site of somebody else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Nothing."""


@contextmanager
def elsewhere() -> Iterator[int]:
    """The port of another site while the block runs."""
    with HTTPServer(("127.0.0.1", 0), Blank) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def refused(served: Served) -> set[int]:
    """Statuses of the predictions that the front refused by itself."""
    lines = [json.loads(line) for line in served.files.log("front").read_text().splitlines()]
    return {line["status"] for line in lines if line["event"] == "refused" and line["route"] == "predict"}
