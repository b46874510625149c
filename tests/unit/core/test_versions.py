from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.versions import (
    Action,
    Alias,
    MirrorState,
    ModelVersion,
    RecordState,
    Register,
    SetAlias,
    crown,
    nominate,
    reconcile,
    roll_back,
)

NAMES = ("a", "b", "c", "d")
versions = st.lists(st.sampled_from(NAMES), unique=True, max_size=4)


def version(name: str) -> ModelVersion:
    return ModelVersion(
        version=name, artifact="", report="", recipe="", run="", judged_against=None, examples=(), metrics={}
    )


def record(names: Iterable[str], **aliases: str) -> RecordState:
    return RecordState(
        versions=tuple(version(name) for name in names),
        aliases={Alias(alias): name for alias, name in aliases.items()},
    )


@st.composite
def records(draw: st.DrawFn) -> RecordState:
    names = draw(versions)
    aliases = draw(st.dictionaries(st.sampled_from(Alias), st.sampled_from(names))) if names else {}
    return RecordState(versions=tuple(version(name) for name in names), aliases=aliases)


@st.composite
def mirrors(draw: st.DrawFn) -> MirrorState:
    names = draw(versions)
    aliases = draw(st.dictionaries(st.sampled_from(Alias), st.sampled_from(names))) if names else {}
    return MirrorState(versions={name: str(number) for number, name in enumerate(names)}, aliases=aliases)


def applied(mirror: MirrorState, actions: Iterable[Action]) -> MirrorState:
    held, aliases = dict(mirror.versions), dict(mirror.aliases)
    for action in actions:
        if isinstance(action, Register):
            assert action.version not in held
            held[action.version] = str(len(held) + 1)
        elif action.version is None:
            del aliases[action.alias]
        else:
            assert action.version in held, "an alias may only name what the mirror holds"
            aliases[action.alias] = action.version
    return MirrorState(versions=held, aliases=aliases)


def moved(state: RecordState, moves: Iterable[SetAlias]) -> RecordState:
    mirror = MirrorState(versions={version.version: "" for version in state.versions}, aliases=state.aliases)
    return RecordState(versions=state.versions, aliases=applied(mirror, moves).aliases)


@given(records(), mirrors())
def test_after_its_actions_a_mirror_needs_nothing_more(state: RecordState, mirror: MirrorState) -> None:
    after = applied(mirror, reconcile(state, mirror))
    assert reconcile(state, after) == ()
    assert after.aliases == state.aliases


@given(records(), mirrors(), st.integers(0, 7))
def test_actions_cut_off_by_a_crash_are_finished_by_the_next_run(
    state: RecordState, mirror: MirrorState, done: int
) -> None:
    partly = applied(mirror, reconcile(state, mirror)[:done])
    assert reconcile(state, applied(partly, reconcile(state, partly))) == ()


def test_an_empty_mirror_gets_the_named_versions_oldest_first_and_then_their_aliases() -> None:
    state = record("abc", champion="c", previous="b")
    assert reconcile(state, MirrorState()) == (
        Register(version="b"),
        Register(version="c"),
        SetAlias(alias=Alias.CHAMPION, version="c"),
        SetAlias(alias=Alias.PREVIOUS, version="b"),
    )


def test_an_alias_that_the_record_dropped_is_removed() -> None:
    mirror = MirrorState(versions={"a": "1"}, aliases={Alias.CANDIDATE: "a", Alias.CHAMPION: "a"})
    assert reconcile(record("a", champion="a"), mirror) == (SetAlias(alias=Alias.CANDIDATE, version=None),)


def test_the_first_crowned_version_has_no_previous() -> None:
    state = record("a", candidate="a")
    assert moved(state, crown(state, "a")).aliases == {Alias.CHAMPION: "a"}


def test_crowning_keeps_the_old_champion_as_previous() -> None:
    state = record("abc", champion="b", previous="a", candidate="c")
    assert moved(state, crown(state, "c")).aliases == {Alias.CHAMPION: "c", Alias.PREVIOUS: "b"}


@given(records(), st.data())
def test_crowning_makes_the_champion_and_repeating_it_changes_nothing(state: RecordState, data: st.DataObject) -> None:
    if not state.versions:
        return
    name = data.draw(st.sampled_from([version.version for version in state.versions]))
    after = moved(state, crown(state, name))
    assert after.aliases[Alias.CHAMPION] == name
    assert after.aliases.get(Alias.CANDIDATE) != name
    old = state.aliases.get(Alias.CHAMPION)
    assert old in (None, name, after.aliases.get(Alias.PREVIOUS))
    assert crown(after, name) == ()


@pytest.mark.parametrize("done", [0, 1, 2])
def test_crowning_cut_off_by_a_crash_ends_the_same_when_repeated(done: int) -> None:
    state = record("abc", champion="b", previous="a", candidate="c")
    partly = moved(state, crown(state, "c")[:done])
    assert moved(partly, crown(partly, "c")).aliases == {Alias.CHAMPION: "c", Alias.PREVIOUS: "b"}


def test_rolling_back_names_the_champion_to_withdraw_and_the_version_to_go_back_to() -> None:
    assert roll_back(record("ab", champion="b", previous="a")) == (version("b"), version("a"))
    assert roll_back(record("ab", champion="a", previous="b")) == (version("a"), version("b"))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (record(""), "no champion"),
        (record("a", champion="a"), "no version before champion a"),
        (record("a", champion="a", previous="a"), "no version before champion a"),
    ],
)
def test_rolling_back_needs_another_version(state: RecordState, message: str) -> None:
    with pytest.raises(EvergreenError, match=message) as refused:
        roll_back(state)
    assert refused.value.exit_code == 1, "as where any command needs a champion that there is not"


def test_only_recorded_versions_can_be_crowned_or_nominated() -> None:
    for move in (crown, nominate):
        with pytest.raises(InputError, match=r"version z is not in the record \(has: a\)"):
            move(record("a"), "z")


def test_a_new_version_is_nominated_and_the_champion_is_not() -> None:
    state = record("ab", champion="a")
    assert nominate(state, "b") == (SetAlias(alias=Alias.CANDIDATE, version="b"),)
    assert nominate(state, "a") == ()
