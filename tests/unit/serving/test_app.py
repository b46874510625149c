import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from evergreen.core.errors import InputError, RequestTooLargeError
from evergreen.core.predictors import Interface
from evergreen.core.traces import version_of
from evergreen.serving.accounts import Accounts
from evergreen.serving.app import create_app
from evergreen.serving.model import ServedModel
from evergreen.serving.requests import PredictRequest, parse_request
from evergreen.serving.settings import ServerSettings
from tests.keyword_model import KEYWORDS, KeywordPredictor, write_keyword_model

T = TypeVar("T")
GOOD = {"instances": [{"text": "a late goal"}, {"text": "bank shares"}]}


class Served:
    def __init__(self, path: Path, **limits: Any) -> None:
        self.version = write_keyword_model(path / "model").version
        self.predictor = KeywordPredictor(KEYWORDS)
        settings = ServerSettings(storage_uri=str(path / "model"), **limits)
        self.model = ServedModel(settings, lambda _: self.predictor)
        self.app = create_app(settings, self.model, Accounts(settings, self.model))

    def ask(self, use: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
        async def run() -> T:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await use(client)

        return asyncio.run(run())

    def post(self, **request: Any) -> httpx.Response:
        return self.ask(lambda client: client.post("/predict", **request))

    def get(self, path: str) -> httpx.Response:
        return self.ask(lambda client: client.get(path))


def until_let(served: Served, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """What the model waits for before it predicts."""
    goes_on, predict = threading.Event(), served.predictor.predict

    def wait(batch: Sequence[str]) -> list[dict[str, float]]:
        assert goes_on.wait(10)
        return predict(batch)

    monkeypatch.setattr(served.predictor, "predict", wait)
    return goes_on


@pytest.fixture
def served(tmp_path: Path) -> Served:
    served = Served(tmp_path, max_instances=3, max_body_bytes=1000, threads=1)
    served.model.load()
    return served


def test_health_and_predict_are_503_until_the_model_is_loaded(tmp_path: Path) -> None:
    served = Served(tmp_path)
    assert served.get("/health").status_code == 503
    refused = served.post(json=GOOD)
    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    served.model.load()
    assert served.get("/health").json() == {"status": "ready", "model_version": served.version}
    assert served.post(json=GOOD).status_code == 200


def test_a_model_with_a_damaged_file_is_not_loaded(tmp_path: Path) -> None:
    served = Served(tmp_path)
    described = tmp_path / "model" / "task.json"
    described.write_bytes(described.read_bytes().replace(b"sport", b"sp0rt"))
    with pytest.raises(InputError, match=r"task\.json in .* is damaged"):
        served.model.load()
    assert not served.model.ready


def test_one_prediction_an_instance_comes_back_with_version_and_trace(served: Served) -> None:
    answer = served.post(json=GOOD, headers={"x-trace-id": "abc-1"})
    body = answer.json()
    assert [prediction["label"] for prediction in body["predictions"]] == ["sport", "business"]
    assert body["metadata"] == {"model_version": served.version, "trace_id": "abc-1", "engine": "python"}
    assert answer.headers["x-trace-id"] == "abc-1"
    assert answer.headers["x-model-version"] == served.version


def test_the_trace_id_that_a_server_makes_names_its_version(served: Served) -> None:
    traces = [served.post(json=GOOD).json()["metadata"]["trace_id"] for _ in range(2)]
    assert [version_of(trace) for trace in traces] == [served.version] * 2
    assert len(set(traces)) == 2


def test_the_instances_of_a_request_are_predicted_as_one_batch(served: Served) -> None:
    served.post(json=GOOD)
    assert served.predictor.batches == [2]


def test_a_w3c_trace_is_taken_up_and_a_strange_one_replaced(served: Served) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = served.post(json=GOOD, headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    assert answer.headers["x-trace-id"] == trace
    assert served.post(json=GOOD, headers={"x-trace-id": "a b\tc"}).headers["x-trace-id"] != "a b\tc"


@pytest.mark.parametrize("bad", [{"text": ""}, {"text": 3}, {}, None, "text", []])
def test_a_bad_instance_is_a_400_that_names_it(served: Served, bad: Any) -> None:
    answer = served.post(json={"instances": [{"text": "fine"}, bad]})
    assert answer.status_code == 400
    assert answer.json()["error"]["instance"] == 1
    assert "instances[1]" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ({"json": {}}, 400),
        ({"json": {"instances": [{"text": "x"}] * 4}}, 400),
        ({"content": b"x" * 1001}, 413),
        ({"data": {"text": "form"}}, 415),
        ({"content": b"{}", "headers": {"content-type": "application/json; charset=latin-1"}}, 415),
    ],
)
def test_a_bad_request_is_a_4xx_with_a_message_and_a_trace(
    served: Served, request_: dict[str, Any], status: int
) -> None:
    answer = served.post(**request_)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert answer.json()["error"]["trace_id"] == answer.headers["x-trace-id"]


def test_instances_that_unpack_to_too_much_are_a_413_at_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(_: Any) -> list[str]:
        raise RequestTooLargeError("the first 2 pictures have more than 9 pixels together; send them apart")

    monkeypatch.setattr(served.predictor, "decode", decode)
    began = time.monotonic()
    answer = served.post(json=GOOD)
    assert (answer.status_code, answer.json()["error"]["message"][:9]) == (413, "the first")
    assert time.monotonic() - began < 1, "the body was read: nothing is waited for"


def test_an_oversized_body_is_refused_without_reading_the_rest(served: Served) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 200_000_000:
            sent += 1_000_000
            yield b"x" * 1_000_000

    assert served.post(content=endless()).status_code == 413
    assert sent <= 70_000_000  # what is thrown away after the answer, never the whole


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/predict", 405), ("DELETE", "/health", 405), ("POST", "/predict/", 404)],
)
def test_unknown_routes_and_methods_are_told_apart(served: Served, method: str, path: str, status: int) -> None:
    answer = served.ask(lambda client: client.request(method, path))
    assert answer.status_code == status
    routes = "(has: /predict, /health, /metrics, /openapi.json); ask for one of these"
    allowed = {404: routes, 405: "is not allowed here (allowed: "}
    assert allowed[status] in answer.json()["error"]["message"]


def test_a_fault_of_the_model_is_a_plain_500_and_the_log_quotes_no_payload(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "evergreen.serving"):
        answer = served.post(json={"instances": [{"text": "raise a fault"}]})
    assert answer.status_code == 500
    assert "bug" not in answer.text
    fault = next(record for record in caplog.records if record.getMessage() == "fault")
    fields: dict[str, Any] = vars(fault)["fields"]
    assert fields["error"] == "ZeroDivisionError"
    assert "raise a fault" not in json.dumps(fields)


def logged(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What the server logged; the client of a test logs too where another test let it."""
    return [record for record in caplog.records if record.name == "evergreen.serving"]


def test_each_request_is_logged_without_its_payload(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "evergreen.serving"):
        served.post(json=GOOD, headers={"x-trace-id": "t1"})
    fields: dict[str, Any] = vars(logged(caplog)[-1])["fields"]
    assert fields["trace_id"] == "t1"
    assert (fields["route"], fields["status"], fields["instances"]) == ("predict", 200, 2)
    assert "goal" not in json.dumps(fields)


def test_metrics_count_requests_instances_and_latency(served: Served) -> None:
    served.post(json=GOOD)
    served.post(json={})
    deadline = time.monotonic() + 10
    while 'evergreen_batch_seconds_count{engine="python"} 1' not in (text := served.get("/metrics").text):
        assert time.monotonic() < deadline, text  # a batch is counted once its requests have their answers
    assert 'evergreen_requests_total{route="predict",status="200"} 1' in text
    assert 'evergreen_requests_total{route="predict",status="400"} 1' in text
    assert "evergreen_instances_total 2" in text
    assert "evergreen_predict_seconds_count 2" in text
    assert f'evergreen_model_ready{{version="{served.version}",engine="python"}} 1' in text
    assert 'evergreen_refused_total{reason="request"} 1' in text
    assert 'evergreen_batch_rows_bucket{engine="python",le="2"} 1' in text
    assert "evergreen_queue_depth 0" in text


@pytest.mark.parametrize("status", [429, 503])
def test_health_answers_while_predictions_run_and_too_many_waiting_are_refused_as_the_host_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    served = Served(tmp_path, max_waiting=2, full_status=status)
    served.model.load()
    goes_on = until_let(served, monkeypatch)

    async def crowd(client: httpx.AsyncClient) -> tuple[int, list[int]]:
        posts = [asyncio.create_task(client.post("/predict", json=GOOD)) for _ in range(3)]
        health = await client.get("/health")
        await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
        assert [post.done() for post in posts].count(False) == 2
        goes_on.set()
        (refused,) = [answer for post in posts if (answer := await post).status_code != 200]
        said = "2 requests are at work or waiting already; ask again in a second"
        assert refused.json()["error"]["message"] == said
        return health.status_code, sorted([(await post).status_code for post in posts])

    assert served.ask(crowd) == (200, [200, 200, status])
    assert served.model.waiting == 0


def test_whatever_a_decoder_stumbles_over_is_a_400_that_names_the_instance(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def decode(instances: list[dict[str, str]]) -> list[str]:
        if any(instance["text"] == "odd" for instance in instances):
            raise OSError("Unable to locate Ghostscript on paths")
        return [instance["text"] for instance in instances]

    monkeypatch.setattr(served.predictor, "decode", decode)
    with caplog.at_level(logging.INFO, "evergreen.serving"):
        answer = served.post(json={"instances": [{"text": "fine"}, {"text": "odd"}]})
    assert (answer.status_code, answer.json()["error"]["instance"]) == (400, 1)
    assert "Ghostscript" not in answer.text
    assert [record.getMessage() for record in logged(caplog)] == ["fault", "request"]


def test_a_large_request_is_predicted_in_slices_in_the_order_given(tmp_path: Path) -> None:
    served = Served(tmp_path, threads=1)
    served.model.load()
    texts = ["goal", "bank", "bank"] * 30
    answer = served.post(json={"instances": [{"text": text} for text in texts]})
    labels = {"goal": "sport", "bank": "business"}
    assert [prediction["label"] for prediction in answer.json()["predictions"]] == [labels[text] for text in texts]
    assert served.predictor.batches == [32, 32, 26]


def test_instances_that_wait_are_counted_but_a_large_request_may_come_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(tmp_path, max_waiting_instances=2)
    served.model.load()
    goes_on = until_let(served, monkeypatch)

    async def crowd(client: httpx.AsyncClient) -> list[int]:
        three = asyncio.create_task(client.post("/predict", json={"instances": GOOD["instances"] * 2}))
        async with asyncio.timeout(10):
            while not served.model.waiting_instances:
                await asyncio.sleep(0)
        further = await client.post("/predict", json=GOOD)
        goes_on.set()
        assert further.json()["error"]["message"].startswith("4 instances are at work or waiting already; ask again")
        return [(await three).status_code, further.status_code]

    assert served.ask(crowd) == [200, 503]


def test_requests_are_counted_and_left_by_their_callers_while_they_are_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(tmp_path)
    served.model.load()
    goes_on, reads = threading.Event(), threading.Event()

    def slow(body: bytearray, most: int) -> PredictRequest:
        reads.set()
        assert goes_on.wait(10)
        return parse_request(body, most)

    monkeypatch.setattr("evergreen.serving.app.parse_request", slow)

    large = {"instances": [{"text": "goal " * 1_000}]}  # a small one is read at once, in the loop

    async def leave(client: httpx.AsyncClient) -> tuple[int, int]:
        post = asyncio.create_task(client.post("/predict", json=large))
        assert await asyncio.to_thread(reads.wait, 10)
        assert not post.done()
        counted = served.model.waiting
        post.cancel()
        await asyncio.gather(post, return_exceptions=True)
        goes_on.set()
        return counted, served.model.waiting

    assert served.ask(leave) == (1, 0)


def test_an_answer_that_is_too_large_is_refused_so_that_fewer_instances_are_sent(tmp_path: Path) -> None:
    served = Served(tmp_path, max_answer_bytes=400)
    served.model.load()
    single, many = (served.post(json={"instances": GOOD["instances"] * count}) for count in (1, 5))
    assert (single.status_code, many.status_code) == (200, 413)
    assert "at most 400 are sent; send fewer instances" in many.json()["error"]["message"]


def test_a_draining_server_answers_what_is_under_way_and_503_to_all_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(tmp_path)
    served.model.load()
    goes_on = until_let(served, monkeypatch)

    async def drain(client: httpx.AsyncClient) -> list[int]:
        under_way = asyncio.create_task(client.post("/predict", json=GOOD))
        async with asyncio.timeout(10):
            while not served.model.waiting_instances:
                await asyncio.sleep(0)
        served.model.drain()
        later, health = await client.post("/predict", json=GOOD), await client.get("/health")
        assert later.headers["retry-after"]
        goes_on.set()
        return [(await under_way).status_code, later.status_code, health.status_code]

    assert served.ask(drain) == [200, 503, 503]
    assert 'evergreen_refused_total{reason="draining"} 1' in served.get("/metrics").text


def test_parameters_that_a_model_does_not_take_are_a_400(served: Served) -> None:
    answer = served.post(json={"instances": [{"text": "goal"}], "parameters": {"top_k": 2}})
    assert (answer.status_code, "'top_k' (allowed: none)" in answer.json()["error"]["message"]) == (400, True)


def test_what_parameters_make_of_predictions_is_what_is_answered(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.predictor, "shaping", lambda given: lambda made: {"label": made["label"], **given})
    answer = served.post(json={"instances": [{"text": "goal"}], "parameters": {"top_k": 2}})
    assert answer.json()["predictions"] == [{"label": "sport", "top_k": 2}]


def test_a_model_answers_its_own_examples_before_it_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = Served(tmp_path, threads=2)
    given = Interface(examples=({"text": "goal"}, {"text": "bank"}))
    monkeypatch.setattr(KeywordPredictor, "interface", given)
    served.model.load()
    assert sum(served.predictor.batches) >= 8
    assert served.model.ready


def test_a_model_that_fails_on_its_own_examples_is_served_and_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    served = Served(tmp_path)
    monkeypatch.setattr(KeywordPredictor, "interface", Interface(examples=({"text": "raise a fault"},)))
    with caplog.at_level(logging.INFO, "evergreen.serving"):
        served.model.load()
    assert served.model.ready
    assert vars(logged(caplog)[0])["fields"] == {"error": "ZeroDivisionError"}


@pytest.mark.parametrize(("host", "share", "cores"), [("127.0.0.1", "25", 2), ("0.0.0.0", "25", 8), ("::1", "x", 8)])  # noqa: S104
def test_the_front_of_this_machine_says_how_many_cores_a_version_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, share: str, cores: int
) -> None:
    served = Served(tmp_path, host=host, threads=8)
    served.model.load()
    used: list[int] = []
    monkeypatch.setattr(served.predictor, "use_threads", used.append, raising=False)
    assert served.post(json={"instances": [{"text": "goal"}]}, headers={"x-machine-share": share}).status_code == 200
    assert used == [cores]
