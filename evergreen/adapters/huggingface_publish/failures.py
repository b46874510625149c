"""What the Hub says when it refuses to be written to, as one line that tells what to do; no line holds a token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.hub import first_line, is_outage


@contextmanager
def translated(repository: str, token_env: str) -> Iterator[None]:
    """Raises what goes wrong inside as InputError (the token, the repository) or EvergreenError (the Hub)."""
    from httpx2 import HTTPError
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    try:
        yield
    except (HfHubHTTPError, HTTPError, OSError, RuntimeError, ValueError) as error:
        if is_outage(error):
            raise EvergreenError(
                f"the Hugging Face Hub does not answer for {repository}: {first_line(error)}; run again later, what is "
                "published already stays"
            ) from error
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
        if status == HTTPStatus.UNAUTHORIZED and not isinstance(error, RepositoryNotFoundError):
            raise InputError(
                f"the Hugging Face Hub does not know the token in {token_env}; make one that may write to {repository} "
                f"(Settings, Access Tokens) and set {token_env} to it"
            ) from error
        if status in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND):
            raise InputError(
                f"the token in {token_env} may not write to {repository} ({status}); give it that right, or set "
                "publish.repository to one that it may write to"
            ) from error
        raise EvergreenError(f"{repository} cannot be published: {first_line(error)}") from error
