"""MLflow's failures as errors that one line can tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from evergreen.core.addresses import without_password
from evergreen.core.errors import EvergreenError

REFUSED = (400, 404, 409, 413, 422)
"""Answers that another try would get again; credentials and loads (401, 403, 429, 5xx) may be other ones by then."""

MOST_CHARS = 400


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """A block of calls to the MLflow at `uri`.

    Raises:
        EvergreenError: MLflow refused a call, or it or its artifact store could not be reached.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        raise EvergreenError(reason_of(uri, error)) from error


def reason_of(uri: str, error: Exception) -> str:
    """`MLflow at https://…: what it said`, on one line, cut and without passwords."""
    from mlflow.exceptions import MlflowException

    reason = error.message if isinstance(error, MlflowException) else error
    return without_password(f"MLflow at {uri}: {' '.join(str(reason).split())[:MOST_CHARS]}")


def refuses(error: Exception) -> bool:
    """Whether MLflow answered, and would answer the same again."""
    from mlflow.exceptions import MlflowException

    if not isinstance(error, MlflowException):
        return False
    status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
    return status in REFUSED
