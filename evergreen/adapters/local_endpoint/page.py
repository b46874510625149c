"""The page to try an endpoint, `GET /` for whoever accepts HTML: one answer that nothing else is fetched for.

A policy allows its style and its scripts by their hashes, and requests to this endpoint alone. What differs between
endpoints stands in it as data:

{"model": "news", "input": "text", "field": "text", "examples": [{"text": "…"}],
 "labels": {"3f9c…": ["business", …]}, "colours": ["#0072b2", …]}
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from aiohttp import web

from evergreen.adapters.local_endpoint.state import EndpointFiles, EndpointState
from evergreen.core.artifacts import TrainedModel
from evergreen.core.colours import colour_of
from evergreen.core.errors import InputError
from evergreen.runtime.http import is_loopback

FOLDER = Path(__file__).parent / "static"
PICTURES = "image"
"""The field of an instance that holds a picture."""
SEGMENTATION = "image_segmentation"
CLASSES = 256
"""As many as a mask can hold."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "connect-src 'self'",
        "img-src blob: data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)


def accepts_html(headers: Mapping[str, str]) -> bool:
    """Whether the caller is a browser that a person looks at."""
    return "text/html" in headers.get("accept", "").lower()


def page(files: EndpointFiles, state: EndpointState) -> web.Response:
    """The page of an endpoint, as it is now."""
    template, policy = _parts()
    data = json.dumps(described(files, state), ensure_ascii=False).replace("<", "\\u003c")  # ends no script
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
    text = template.substitute(title=html.escape(state.model), endpoint=data)
    return web.Response(text=text, content_type="text/html", headers=headers)


def described(files: EndpointFiles, state: EndpointState) -> dict[str, Any]:
    """What the page has to know of the endpoint: the input that it takes, examples, and the labels of each version."""
    tasks = {version: _task(files, version) for version in state.versions}
    first = max(tasks, key=lambda version: state.traffic.get(version, 0), default="")
    examples = files.read_examples(first) if _is_private(state) else []
    kind, field = _input(tasks.get(first, {}), examples)
    labels = {version: [str(label) for label in task.get("labels") or ()] for version, task in tasks.items()}
    colours = [colour_of(number) for number in range(CLASSES)] if kind == PICTURES else []
    shown = {"labels": labels, "colours": colours, "examples": examples}
    return {"model": state.model, "input": kind, "field": field, **shown}


def _is_private(state: EndpointState) -> bool:
    """Whether nobody but who uses this machine sees the examples, which are rows of the data."""
    return is_loopback(state.host) and not state.allowed_hosts


def _task(files: EndpointFiles, version: str) -> Mapping[str, Any]:
    try:
        return TrainedModel.open(files.model_dir(version)).manifest.task
    except InputError:  # its worker says so
        return {}


def _input(task: Mapping[str, Any], examples: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """How an instance is given (`image`, `text` or `json`), and its field; of an installed kind as its examples are."""
    if task.get("kind") == SEGMENTATION:
        return PICTURES, PICTURES
    fields = list(examples[0]) if examples else ["text"]
    if len(fields) != 1 or not all(isinstance(example.get(fields[0]), str) for example in examples):
        return "json", ""
    return "text", fields[0]


@cache
def _parts() -> tuple[Template, str]:
    """The page without what differs between endpoints, and its policy."""
    parts = {name: (FOLDER / file).read_text(encoding="utf-8") for name, file in _FILES.items()}
    policy = f"{POLICY}; style-src {_hash(parts['style'])}; script-src {_hash(parts['show'])} {_hash(parts['ask'])}"
    whole = (FOLDER / "page.html").read_text(encoding="utf-8")
    for name, text in parts.items():
        whole = whole.replace(f"${name}", text.replace("$", "$$"))
    return Template(whole), policy


_FILES = {"style": "page.css", "show": "show.js", "ask": "ask.js"}


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
