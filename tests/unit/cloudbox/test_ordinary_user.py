"""What an ordinary user is told where this machine gives her containers no root of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudbox.box import open_or_make_box
from cloudbox.home import Home
from cloudbox.services import SERVICES
from cloudbox.services import google as google_services


class NoSandbox:
    """As where no namespace is allowed."""

    name = None

    def __init__(self, folder: Path) -> None:
        assert folder.name == "vertex"


@pytest.mark.parametrize("can_make_app", [True, False])
def test_up_says_that_containers_get_no_app_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_make_app: bool
) -> None:
    monkeypatch.setattr(google_services, "Sandbox", NoSandbox)
    monkeypatch.setattr(google_services, "can_make_app", lambda: can_make_app)
    caveat = SERVICES["vertex"].caveat(open_or_make_box(Home(tmp_path)))
    assert ("sudo sysctl --write kernel.apparmor_restrict_unprivileged_userns=0" in caveat) is not can_make_app


def test_nothing_is_said_where_containers_get_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = type("Namespace", (NoSandbox,), {"name": "user namespace"})
    monkeypatch.setattr(google_services, "Sandbox", sandbox)
    assert SERVICES["vertex"].caveat(open_or_make_box(Home(tmp_path))) == ""
