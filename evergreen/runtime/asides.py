"""What may fail without ending the work that it belongs to: a picture, a page, what a tracker is sent."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from evergreen.core.addresses import without_password
from evergreen.core.quoting import without_rows

logger = logging.getLogger(__name__)


@contextmanager
def beside_the_point(what: str) -> Iterator[None]:
    """A block whose failure is a warning that names `what`; only that of the work itself ends a training or a run."""
    try:
        yield
    except Exception as error:  # whatever a library raises that draws, writes or sends
        reason = without_rows(" ".join(str(error).split())) or "no message"
        logger.warning("left out: %s (%s: %s)", what, type(error).__name__, without_password(reason))
        logger.debug("left out: %s", what, exc_info=True)
