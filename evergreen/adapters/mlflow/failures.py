"""MLflow's failures as errors that one line can tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from evergreen.core.addresses import without_password
from evergreen.core.errors import EvergreenError


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
        reason = error.message if isinstance(error, MlflowException) else error
        raise EvergreenError(without_password(f"MLflow at {uri}: {reason}")) from error
