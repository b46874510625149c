"""The local endpoint as its clients see it: traffic, splits, single versions, and nobody who waits in vain."""

import threading
from collections import Counter
from typing import Any

import httpx
import psutil
import pytest

from evergreen.adapters.local_endpoint.asking import post_predict
from evergreen.core.errors import EndpointError, InputError, InstanceError, RequestTooLargeError
from evergreen.core.traces import version_of
from tests.e2e.served import GOOD, Served
from tests.e2e.steady_client import SteadyClient
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e


def test_an_endpoint_that_was_never_deployed_is_not_there(served: Served) -> None:
    assert served.endpoint.status().url is None
    with pytest.raises(EndpointError, match="not running"):
        served.endpoint.predict(GOOD)
    with pytest.raises(EndpointError, match="upload it first"):
        served.endpoint.deploy("abc")
    with pytest.raises(EndpointError, match="is down"):
        served.endpoint.set_traffic({"abc": 100})
    served.endpoint.undeploy("abc")
    served.endpoint.delete()


def test_a_version_gets_requests_only_once_it_has_traffic(served: Served) -> None:
    version = served.upload("first")
    served.endpoint.deploy(version)
    assert served.endpoint.status().ready == (version,)
    assert served.endpoint.status().traffic == {version: 0}
    assert served.endpoint.predict(GOOD, version)[0]["label"] == "sport"
    with pytest.raises(EndpointError, match="no version has traffic"):
        served.endpoint.predict(GOOD)
    served.endpoint.set_traffic({version: 100})
    assert served.endpoint.predict(GOOD)[0]["label"] == "sport"
    assert httpx.get(served.url().replace("/predict", "/health")).status_code == 200


def test_deploying_what_runs_and_repeating_a_split_change_nothing(served: Served) -> None:
    version = served.live()
    before = served.front()
    served.endpoint.deploy(version)
    served.endpoint.set_traffic({version: 100})
    assert served.front() == before


def test_no_request_fails_while_a_version_replaces_another(served: Served) -> None:
    first = served.live()
    with SteadyClient(served.url(), GOOD) as client:
        second = served.upload("second", load_s=0.5)
        served.endpoint.deploy(second)
        served.endpoint.set_traffic({first: 80, second: 20})
        wait_until(lambda: client.versions[second] >= 5)
        served.endpoint.set_traffic({second: 100})
        served.endpoint.undeploy(first)
        settled = client.versions[second]
        wait_until(lambda: client.versions[second] >= settled + 10)
    assert client.failures == []
    assert set(client.versions) == {first, second}
    assert served.endpoint.status().ready == (second,)


def test_the_split_is_exact(served: Served) -> None:
    first, second = served.live(), served.upload("second")
    served.endpoint.deploy(second)
    served.endpoint.set_traffic({first: 95, second: 5})
    with httpx.Client(trust_env=False) as client:
        answers = [client.post(served.url(), json={"instances": GOOD}) for _ in range(100)]
    assert Counter(answer.headers["x-model-version"] for answer in answers) == {first: 95, second: 5}
    for answer in answers:
        metadata = answer.json()["metadata"]
        assert version_of(metadata["trace_id"]) == metadata["model_version"] == answer.headers["x-model-version"]
        assert metadata["trace_id"] == answer.headers["x-trace-id"]


def test_one_version_can_be_asked_whatever_its_traffic(served: Served) -> None:
    first, second = served.live(), served.upload("second")
    served.endpoint.deploy(second)
    url = served.url()
    by_split = httpx.post(url, json={"instances": GOOD})
    by_path = httpx.post(url.replace("/predict", f"/versions/{second}/predict"), json={"instances": GOOD})
    assert [answer.headers["x-model-version"] for answer in (by_split, by_path)] == [first, second]
    unknown = httpx.post(url.replace("/predict", "/versions/nope/predict"), json={"instances": GOOD})
    assert (unknown.status_code, second in unknown.json()["error"]["message"]) == (404, True)


def test_a_bad_request_through_the_front_is_a_4xx_that_names_the_instance(served: Served) -> None:
    served.live()
    url = served.url()
    with pytest.raises(InstanceError, match="'text' is blank") as caught:
        post_predict(url, [*GOOD, {"text": ""}])
    assert caught.value.index == 1
    with pytest.raises(InputError, match="10000, allowed are 1000"):
        post_predict(url, GOOD * 10_000)
    with pytest.raises(RequestTooLargeError, match="413"):
        post_predict(url, [{"text": "x" * 11_000_000}])
    assert post_predict(url, [{"text": "гол " * 1_000_000}])[0]["label"]  # 7 MB as UTF-8, 21 MB as ASCII
    with pytest.raises(InputError, match=r"instances\[0\].* surrogate"):
        post_predict(url, [{"text": "\ud800"}])
    with pytest.raises(InputError, match="404"):
        post_predict(url + "s", GOOD)
    assert httpx.post(url, content=b"{", headers={"content-type": "text/plain"}).status_code == 415
    assert httpx.get(url).status_code == 405
    assert httpx.get(url).headers["allow"] == "POST"
    traced = httpx.post(url, content=b"{", headers={"x-trace-id": "t-1", "content-type": "application/json"})
    assert (traced.status_code, traced.headers["x-trace-id"]) == (400, "t-1")


def test_traffic_that_is_no_split_or_goes_to_nobody_is_refused(served: Served) -> None:
    version = served.live()
    for split in ({version: 90}, {version: 120, "x": -20}, {}):
        with pytest.raises(InputError, match="sum to 100"):
            served.endpoint.set_traffic(split)
    with pytest.raises(EndpointError, match="not deployed"):
        served.endpoint.set_traffic({version: 50, "x": 50})
    with pytest.raises(EndpointError, match="has 100 % of the traffic"):
        served.endpoint.undeploy(version)
    assert served.endpoint.status().traffic == {version: 100}


def test_undeploying_waits_for_the_requests_in_flight(served: Served) -> None:
    slow, second = served.live("slow", delay_s=1.0), served.upload("second")
    served.endpoint.deploy(second)
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(served.endpoint.predict(GOOD)))
    asking.start()
    wait_until(lambda: served.front().versions[slow].in_flight == 1)
    served.endpoint.set_traffic({second: 100})
    served.endpoint.undeploy(slow)
    asking.join()
    assert answers[0][0]["label"] == "sport"


def test_an_undeployed_version_comes_back_without_an_upload(served: Served) -> None:
    first, second = served.live(), served.upload("second")
    served.endpoint.deploy(second)
    served.endpoint.set_traffic({second: 100})
    served.endpoint.undeploy(first)
    served.endpoint.deploy(first)
    assert set(served.endpoint.status().ready) == {first, second}


def test_delete_stops_every_process_and_forgets_everything(served: Served) -> None:
    version = served.live()
    front, worker = served.front().pid, served.pid(version)
    served.endpoint.delete()
    assert not psutil.pid_exists(worker)
    assert not psutil.pid_exists(front)
    assert not served.files.root.exists()
    assert served.endpoint.status().url is None
