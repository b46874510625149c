"""What an ordinary user is told where this machine gives her containers no root of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudbox.__main__ import main
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


@pytest.mark.parametrize("command", ["up", "down", "status", "env"])
def test_the_box_of_another_user_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    open_or_make_box(Home(tmp_path))
    monkeypatch.setattr("cloudbox.box.os.geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert main(["--home", str(tmp_path), command]) == 1
    assert capsys.readouterr().err == (
        f"the box in {tmp_path} is another user's; give another --home, or delete that folder\n"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"box.json"}
