"""The server against its own description: what is generated from it is answered as it says, and never by a fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks
from starlette.applications import Starlette
from starlette.testclient import TestClient

from evergreen.core.predictors import Interface, Shape
from evergreen.serving.accounts import Accounts
from evergreen.serving.app import create_app
from evergreen.serving.model import ServedModel
from evergreen.serving.openapi import REFUSALS
from evergreen.serving.settings import ServerSettings
from evergreen.tasks.text_classification.parameters import parameters_schema, shape_of
from tests.keyword_model import KEYWORDS, KeywordPredictor, write_keyword_model

EXAMPLES = 25
VERBS = (("/predict", "post"), ("/health", "get"))
TEXT = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": r"\S"}
INTERFACE = Interface(
    instance={
        "type": "object",
        "properties": {"text": TEXT},
        "required": ["text"],
        "additionalProperties": False,
    },
    prediction={"type": "object", "required": ["label", "score", "probabilities"]},
    parameters=parameters_schema(len(KEYWORDS)),
    examples=({"text": "a late goal"},),
)
HELD = ("content_type_conformance", "not_a_server_error", "response_schema_conformance", "status_code_conformance")


class Described(KeywordPredictor):
    @property
    def interface(self) -> Interface:
        return INTERFACE

    def shaping(self, parameters: Mapping[str, Any]) -> Shape:
        return shape_of(parameters, len(KEYWORDS))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Starlette:
    path = tmp_path_factory.mktemp("described")
    write_keyword_model(path / "model")
    allowed = ("testserver",)
    given_settings = ServerSettings(storage_uri=str(path / "model"), threads=1, max_instances=3, allowed_hosts=allowed)
    model = ServedModel(given_settings, lambda _: Described(KEYWORDS))
    model.load()
    return create_app(given_settings, model, Accounts(given_settings, model))


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_generated_requests_are_answered_as_described_and_never_by_a_fault(
    app: Starlette, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    held: Any = [check for check in checks.CHECKS.get_all() if check.__name__ in HELD]
    assert len(held) == len(HELD)
    seen: list[int] = []

    @given(case=schema["/predict"]["POST"].as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def ask(case: Any) -> None:
        seen.append(case.call_and_validate(checks=held).status_code)

    ask()
    assert len(seen) >= EXAMPLES / 2
    assert (200 in seen) == (mode is GenerationMode.POSITIVE)


def test_every_route_is_described_with_what_the_model_takes(app: Starlette) -> None:
    with TestClient(app) as client:
        described = client.get("/openapi.json").json()
        assert {path: list(verbs) for path, verbs in described["paths"].items()} == {
            "/predict": ["post"],
            "/health": ["get"],
        }
        predict = described["paths"]["/predict"]["post"]
        request = predict["requestBody"]["content"]["application/json"]["schema"]
        assert request["properties"]["instances"]["items"]["properties"] == {"text": TEXT}
        assert client.post("/predict", json=request["examples"][0]).status_code == 200
        assert {"type": "null"} in request["properties"]["parameters"]["anyOf"]
        assert client.post("/predict", json={**request["examples"][0], "parameters": None}).status_code == 200
        for status, refused in ((404, client.get("/elsewhere")), (405, client.get("/predict"))):
            assert (refused.status_code, list(refused.json()["error"])) == (status, ["message", "trace_id"])
            assert not any(str(status) in described["paths"][path][verb]["responses"] for path, verb in VERBS)
    assert set(predict["responses"]) == {"200", *map(str, REFUSALS)}
