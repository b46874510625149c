"""What a request to an endpoint of Vertex AI holds at most, and what its refusals mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.prediction import post_predict
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.adapters.vertex.specification import version_message
from evergreen.core.errors import InputError, InstanceError, RequestTooLargeError

URL = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/1:predict"
NEEDED = {"project": "p", "region": "europe-west4", "staging": "gs://bucket/models", "image": "serving:1"}


class Session:
    """Answers every request with one status and message, as Google writes them; keeps the bodies."""

    def __init__(self, status: int, message: str = "") -> None:
        self.status, self.message = status, message
        self.bodies: list[bytes] = []

    def post(self, _url: str, data: bytes, **_: Any) -> requests.Response:
        self.bodies.append(data)
        answer = requests.Response()
        answer.status_code = self.status
        predictions = [{"label": "x"} for _ in json.loads(data)["instances"]]
        error = {"code": self.status, "message": self.message, "status": "INVALID_ARGUMENT"}
        content = {"predictions": predictions} if self.status == 200 else {"error": error}
        answer._content = json.dumps(content).encode()
        return answer


def ask(session: Session, text: str = "rain") -> list[dict[str, Any]]:
    clients = Clients(host())
    clients.__dict__["session"] = session
    return post_predict(clients, URL, [{"text": text}])


def host(**changes: object) -> VertexHostSettings:
    return VertexHostSettings.model_validate(NEEDED | changes)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Request payload size exceeds the limit: 1500000 bytes."),
        (413, '{"error": {"message": "the answer has 9,600,000 bytes"}}'),
    ],
)
def test_googles_and_the_containers_refusal_of_a_large_request_are_one_error(status: int, message: str) -> None:
    with pytest.raises(RequestTooLargeError, match=rf"\({status}\)"):
        ask(Session(status, message))


def test_another_refusal_is_not_taken_for_size() -> None:
    with pytest.raises(InputError, match="text is blank") as caught:
        ask(Session(400, "instances[0]: text is blank"))
    assert not isinstance(caught.value, RequestTooLargeError)


def test_the_instance_that_the_container_refuses_is_told_by_its_place() -> None:
    """Vertex AI hands on the container's answer as the text of its own message."""
    inner = {"message": "instances[7]: 'text' is blank", "trace_id": "5f", "instance": 7}
    with pytest.raises(InstanceError) as caught:
        ask(Session(400, json.dumps({"error": inner})))
    assert (caught.value.index, caught.value.reason) == (7, "'text' is blank")


def test_letters_are_sent_as_they_are_so_that_a_text_takes_what_was_counted_for_it() -> None:
    session = Session(200)
    assert ask(session, "雨" * 1000) == [{"label": "x"}]
    assert len(session.bodies[0]) < 3100


def test_a_number_that_json_does_not_have_is_refused_here() -> None:
    clients = Clients(host())
    with pytest.raises(InputError, match="the instances are no JSON"):
        post_predict(clients, URL, [{"text": float("nan")}])


def test_a_request_holds_less_where_others_share_the_endpoint_and_so_does_its_answer() -> None:
    private = {"network": "projects/p/global/networks/n", "project_allowlist": ("p",)}
    hosts = [host(), host(dedicated=False, private_service_connect=private), host(dedicated=False)]
    assert [candidate.max_request_bytes for candidate in hosts] == [9_500_000, 9_500_000, 1_400_000]
    message = version_message(hosts[-1], "news", "0dff9f7932af", "gs://bucket/models/news")
    variables = {variable.name: variable.value for variable in message.container_spec.env}
    assert variables["EVERGREEN_MAX_ANSWER_BYTES"] == "1400000"
