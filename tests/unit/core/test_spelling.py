import pytest
from pydantic import TypeAdapter, ValidationError

from evergreen.core.base import ModelName
from evergreen.core.spelling import LABEL_KEY, LABEL_VALUE, MODEL_NAME, Spelling, SpellingError, written_as


@pytest.mark.parametrize(
    ("spelling", "given", "near"),
    [
        (MODEL_NAME, "My Model", "my-model"),
        (MODEL_NAME, "Über_News 2024!", "uber-news-2024"),
        (MODEL_NAME, "7-days", "days"),
        (MODEL_NAME, "a" * 70, "a" * 63),
        (MODEL_NAME, "新闻", None),
        (MODEL_NAME, "news\n", "news"),
        (MODEL_NAME, "", None),
        (LABEL_KEY, "2nd Team_", "nd-team"),
        (LABEL_VALUE, "News Desk", "news-desk"),
        (LABEL_VALUE, "2nd/Floor", "2nd-floor"),
    ],
)
def test_a_name_that_is_not_allowed_is_told_in_words_with_the_nearest_that_is(
    spelling: Spelling, given: str, near: str | None
) -> None:
    with pytest.raises(SpellingError) as caught:
        spelling.check(given)
    assert str(caught.value).startswith(f"should be {spelling.words}, got ")
    assert str(caught.value).endswith(f"; write {near!r}") == (near is not None)
    if near is not None:
        assert spelling.check(near) == near


@pytest.mark.parametrize("name", ["n", "news", "my-model-2", "a" * 63])
def test_a_name_that_is_allowed_stays_as_it_is(name: str) -> None:
    assert TypeAdapter(ModelName).validate_python(name) == name


@pytest.mark.parametrize("name", ["News", "-news", "news-", "1news", "a" * 64])
def test_a_models_name_is_checked_where_it_is_typed(name: str) -> None:
    with pytest.raises(ValidationError, match="should be lower-case letters, digits and hyphens"):
        TypeAdapter(ModelName).validate_python(name)


def test_a_text_of_another_pattern_is_told_in_words() -> None:
    check = written_as(r"gs://\w+", "a bucket, such as gs://news")
    assert check("gs://rows") == "gs://rows"
    with pytest.raises(SpellingError, match="should be a bucket, such as gs://news, got 's3://rows'"):
        check("s3://rows")
