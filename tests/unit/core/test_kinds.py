"""Open unions: what packages offer is a member like what is shipped, and what cannot be had is said by name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.core.kinds import Kinds, Settings, behaviour
from tests.offers import offer

GROUP = "evergreen.letters"


class Plain(Settings):
    spelled: ClassVar[str] = f"{__name__}:Speller"
    kind: Literal["plain"] = "plain"
    text: str = "a"


class Bold(Settings):
    kind: Literal["bold"] = "bold"


class Speller:
    def __init__(self, settings: Plain) -> None:
        self.text = settings.text.upper()


SHIPPED = {"plain": f"{__name__}:Plain", "bold": f"{__name__}:Bold"}
MODULE = """
from typing import Literal
from evergreen.core.kinds import Settings

class Italic(Settings):
    kind: Literal["italic"] = "italic"
    slant: int = 12
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose packages count as installed, with a module `italic_letters`."""
    (tmp_path / "italic_letters.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "italic_letters", raising=False)
    return tmp_path


def test_a_kind_of_an_installed_package_is_told_apart_like_a_shipped_one(packages: Path) -> None:
    offer(packages, "letters", GROUP, "italic", "italic_letters:Italic")
    kinds = Kinds(GROUP, SHIPPED)
    read = TypeAdapter(kinds.union).validate_python({"kind": "italic", "slant": 3})
    assert (type(read).__name__, read.slant, kinds.package("italic")) == ("Italic", 3, "letters==2.0")
    assert TypeAdapter(kinds.union).validate_python({"kind": "plain"}) == Plain()
    assert (kinds.member("italic"), kinds.package("plain")) == (type(read), None)


def test_the_behaviour_is_made_of_the_settings_when_it_is_asked_for() -> None:
    assert behaviour(Plain(text="b"), "spelled").text == "B"
    with pytest.raises(
        InputError, match=r"kind 'bold' \(.*test_kinds:Bold\) names no behaviour 'spelled'; give the class"
    ):
        behaviour(Bold(), "spelled")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("no_such_module:Speller", "ModuleNotFoundError: No module named 'no_such_module'"),
        (f"{__name__}:NoSpeller", "AttributeError: module '.*' has no attribute 'NoSpeller'"),
    ],
)
def test_a_behaviour_that_cannot_be_loaded_is_told_with_who_names_it(place: str, reason: str) -> None:
    class Misnamed(Plain):
        spelled: ClassVar[str] = place

    named = rf"kind 'plain' \(.*Misnamed\) names '{place}' for 'spelled', which cannot be loaded: {reason}; correct"
    with pytest.raises(InputError, match=named):
        behaviour(Misnamed(), "spelled")


@pytest.mark.parametrize(
    ("kind", "place", "message"),
    [
        (
            "italic",
            "no_such_module:Italic",
            "kind 'italic' of letters==2.0 cannot be loaded from 'no_such_module:Italic', its entry point in the group "
            "'evergreen.letters': ModuleNotFoundError: No module named 'no_such_module'; correct that entry point, "
            "install what its module imports, or uninstall the package",
        ),
        ("italic", "italic_letters:Missing", "'evergreen.letters': AttributeError"),
        ("cursive", "italic_letters:Italic", "Italic has kind 'italic', its entry point is named 'cursive'"),
        ("italic", "italic_letters:Literal", "is no settings class"),
        ("plain", "italic_letters:Italic", "kind 'plain' is offered by evergreen and letters==2.0; uninstall"),
    ],
)
def test_what_cannot_be_had_is_told_when_its_kind_is_named(packages: Path, kind: str, place: str, message: str) -> None:
    offer(packages, "letters", GROUP, kind, place)
    kinds = Kinds(GROUP, SHIPPED)
    with pytest.raises(InputError) as caught:
        kinds.member(kind)
    assert message in str(caught.value)
    assert TypeAdapter(kinds.union).validate_python({"kind": "bold"}) == Bold()  # the others work on
    with pytest.raises(ValidationError):
        TypeAdapter(kinds.union).validate_python({"kind": kind})


def test_two_packages_of_one_kind_are_refused_by_both_names(packages: Path) -> None:
    offer(packages, "letters", GROUP, "italic", "italic_letters:Italic")
    offer(packages, "scripts", GROUP, "italic", "italic_scripts:Italic")
    with pytest.raises(InputError) as caught:
        Kinds(GROUP, SHIPPED).member("italic")
    assert "letters==2.0" in str(caught.value)
    assert "scripts==2.0" in str(caught.value)


def test_an_unknown_kind_is_told_with_the_allowed_ones() -> None:
    with pytest.raises(InputError, match=r"kind 'roman' is unknown \(allowed: bold, plain\); install the package"):
        Kinds(GROUP, SHIPPED).member("roman")


class Desk(Frozen):
    kind: str = "desk"
    key_env: str | None = None


class Paper(Settings):
    kind: Literal["paper"] = "paper"
    token_env: str | None = None
    envelope: str = "C4"
    desk: Desk | None = None


def test_settings_tell_the_variables_that_hold_their_secrets_by_field_those_of_models_within_too() -> None:
    paper = Paper(token_env="PAPER_TOKEN", desk=Desk(key_env="DESK_KEY"))  # noqa: S106 (names of variables)
    assert paper.variables == {"token_env": "PAPER_TOKEN", "desk.key_env": "DESK_KEY"}
    assert Paper(desk=Desk()).variables == {}
