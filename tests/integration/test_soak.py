"""The load of the soak, short: what is asked of it is its order, never its time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.heard import quantile
from bench.loops import closed, opened
from bench.soak import until_normal
from tests.keyword_server import Server

BODIES = [b'{"instances": [{"text": "a late goal"}]}', b'{"instances": [{"text": "stocks of the bank"}]}']


@pytest.mark.parametrize("full_status", [429, 503])
def test_ten_times_as_many_requests_are_answered_or_refused_and_none_fails(tmp_path: Path, full_status: int) -> None:
    server = Server(
        tmp_path,
        {"delay_s": 0.2},
        EVERGREEN_MAX_WAITING="4",
        EVERGREEN_FULL_STATUS=str(full_status),
        OMP_NUM_THREADS="1",
    )
    url = f"{server.url}/predict"
    try:
        server.wait_ready()
        crowd = asyncio.run(closed(url, BODIES, 4, 0.5))
        assert crowd.answered
        assert not crowd.refused
        heard = asyncio.run(opened(url, BODIES, 100.0, 1.5))
        assert heard.answered
        assert len(heard.refused) > len(heard.answered)
        assert (heard.failed, heard.unsent) == (0, 0)
        assert quantile(heard.refused, 0.5) < quantile(heard.answered, 0.5)
        assert asyncio.run(until_normal(url, BODIES[0], 10.0)) < 30
    finally:
        server.close()
