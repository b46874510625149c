from __future__ import annotations

import pytest
from google.api_core.exceptions import Unauthenticated
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from evergreen.adapters.vertex.clients import translated
from evergreen.core.errors import EndpointError

LOGIN = "log in: gcloud auth application-default login"


@pytest.mark.parametrize(
    ("kind", "message", "is_login"),
    [
        (DefaultCredentialsError, "Your default credentials were not found.", True),
        (RefreshError, "invalid_grant: Token has been expired", True),
        (Unauthenticated, "who are you?", True),
        (TransportError, "no route", False),
    ],
)
def test_who_has_no_credentials_is_told_how_to_log_in(kind: type[Exception], message: str, is_login: bool) -> None:
    with pytest.raises(EndpointError, match="opening the service: ") as caught, translated("opening the service"):
        raise kind(message)
    assert str(caught.value).endswith(f"; {LOGIN}") == is_login
