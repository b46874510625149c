"""What is told of a failure of BigQuery, whose clients give it a code and reasons of its own."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions as api
from google.cloud.bigquery.job.base import _error_result_to_exception

from evergreen.adapters.bigquery.failures import translated, unseen
from evergreen.core.errors import EvergreenError, InputError


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionError()])
def test_an_error_without_a_word_is_told_by_its_name(error: Exception) -> None:
    with pytest.raises(EvergreenError) as raised, translated("table x"):
        raise error
    expected = f"BigQuery does not answer for table x: {type(error).__name__}; try again later"
    assert (type(raised.value), str(raised.value)) == (EvergreenError, expected)


def of_a_job(reason: str, message: str) -> Any:
    """As the client raises what became of a job, the fields repeated after the sentence, and where it ran."""
    details = {"reason": reason, "message": message}
    error = _error_result_to_exception(details, [details])  # type: ignore[no-untyped-call]  # the library has no types
    error.message = f"{error.message}\n\nLocation: EU\nJob ID: evergreen-1\n"
    return error


def test_a_job_that_was_stopped_says_nothing_against_its_query() -> None:
    stopped = of_a_job("stopped", "Job execution was cancelled: User requested cancellation.")
    with pytest.raises(EvergreenError) as raised, translated("the query"):
        raise stopped
    assert (stopped.code, type(raised.value)) == (200, EvergreenError)
    assert str(raised.value) == (
        "BigQuery does not answer for the query: Job execution was cancelled: User requested cancellation; "
        "try again later"
    )


def test_a_wrong_query_is_told_in_bigquerys_sentence_alone() -> None:
    error = of_a_job("invalid", "Syntax error at [1:8]")
    error.message = error.message.replace("; reason: invalid, message: Syntax error at [1:8]", "")
    for failure in (error, of_a_job("invalid", "Syntax error at [1:8]")):
        with pytest.raises(InputError) as raised, translated("the query"):
            raise failure
        message = "BigQuery refuses the query: Syntax error at [1:8]; correct source or its query"
        assert str(raised.value) == message


@pytest.mark.parametrize("status", [411, 501])
def test_what_cannot_be_carried_out_is_not_taken_for_a_table_that_is_not_shown(status: int) -> None:
    error = api.from_http_status(status, "never")  # type: ignore[no-untyped-call]  # google.api_core has no types
    with pytest.raises(type(error)), unseen():
        raise error
    with unseen():
        raise api.BadRequest("wildcard")  # type: ignore[no-untyped-call]
