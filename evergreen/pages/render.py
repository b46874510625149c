"""One Jinja2 environment for all pages: escapes everything, refuses unknown names, formats numbers one way."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evergreen.pages import formatting

_FILTERS = (
    formatting.clip,
    formatting.compact,
    formatting.probability,
    formatting.quantity,
    formatting.count,
    formatting.counted,
    formatting.decimal,
    formatting.interval,
    formatting.milliseconds,
    formatting.moment,
    formatting.percent,
    formatting.signed,
    formatting.signed_interval,
    formatting.size,
    formatting.words,
)


def render(template: str, **context: object) -> str:
    """The page as HTML: standalone, without script, equal for equal input."""
    return _environment().get_template(template).render(**context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({function.__name__: function for function in _FILTERS})
    return environment


def _printable(value: object) -> object:
    """Plain text without control characters; what is already markup stays as it is."""
    return formatting.clean(value) if type(value) is str else value
