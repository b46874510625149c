"""Which engine answers, and what happens when one fails while it serves."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Sequence
from typing import Any

import pytest

from evergreen.core.engines import FP32, TORCH, EngineChoice, Engines, EnginesManifest, EngineVariant, ServedEngines
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.observation import Observation
from evergreen.core.predictors import PlainPredictor
from evergreen.serving.engine_check import why_not
from evergreen.serving.engine_plan import EnginePlan, Here, plan_of
from evergreen.serving.engines import Engine, EnginePredictor

INT8 = "int8-u8s8"


def served(serves: str) -> ServedEngines:
    variants = (EngineVariant(name=FP32, file="a"), EngineVariant(name=INT8, file="b"))
    engines = Engines(lambda: pytest.fail("no file is read"), EnginesManifest(files=(), model="1f", variants=variants))
    return ServedEngines(engines, EngineChoice(serves=serves, instruction_set="avx2", reason="it is the fastest"))


@pytest.mark.parametrize(
    ("serves", "here", "names", "starts_at"),
    [
        (INT8, Here("avx2"), (INT8, FP32, TORCH), 0),
        (INT8, Here("amx_int8"), (INT8, FP32, TORCH), 1),
        (INT8, Here("amx_int8", asked="onnx"), (INT8, FP32, TORCH), 1),
        (INT8, Here("amx_int8", asked=INT8), (INT8, FP32, TORCH), 0),
        (INT8, Here("avx2", asked=FP32), (FP32, TORCH), 0),
        (INT8, Here("avx2", asked=TORCH), (TORCH, FP32), 0),
        (INT8, Here("avx2", has_gpu=True), (TORCH, FP32), 0),
        (INT8, Here("avx2", has_gpu=True, asked="onnx"), (INT8, FP32, TORCH), 0),
        (FP32, Here("amx_int8"), (FP32, TORCH), 0),
        (TORCH, Here("avx2"), (TORCH, FP32), 0),
        (TORCH, Here("avx2", asked="onnx"), (FP32, TORCH), 0),
    ],
)
def test_the_best_engine_of_a_machine_comes_first(
    serves: str, here: Here, names: tuple[str, ...], starts_at: int
) -> None:
    plan = plan_of(served(serves), here)
    assert (plan.names, plan.starts_at) == (names, starts_at)


def test_without_graphs_there_is_torch() -> None:
    assert plan_of(None, Here("avx2")).names == (TORCH,)
    assert plan_of(None, Here("avx2", asked="banana")).reason.endswith("though banana was asked for")


class Numbers(PlainPredictor):
    """Answers by its name; `bad` inputs make it fail, with `late` seconds of its own on the clock."""

    def __init__(self, engine: str, bad: tuple[str, ...] = (), answers: str = "yes", sure: float = 0.9) -> None:
        self.engine = engine
        self._bad, self._answers, self._sure = bad, answers, sure

    def decode(self, instances: Sequence[Any]) -> list[Any]:
        return list(instances)

    def predict(self, batch: Sequence[Any]) -> list[str]:
        if any(row in self._bad for row in batch):
            raise RuntimeError("of a compiled library")
        return [self.engine for _ in batch]

    def encode(self, outputs: Sequence[str]) -> list[dict[str, Any]]:
        return [{"label": output} for output in outputs]

    def observe(self, batch: Sequence[Any], outputs: Any) -> list[Observation]:
        return [Observation({}, self._answers, self._sure, (self._sure, 1 - self._sure)) for _ in batch]


def ladder(*predictors: Numbers | Exception, starts_at: int = 0) -> EnginePredictor:
    def engine(number: int, given: Numbers | Exception) -> Engine:
        def load() -> Numbers:
            if isinstance(given, Exception):
                raise given
            return given

        return Engine(f"engine {number}", load)

    plan = EnginePlan(tuple(map(str, range(len(predictors)))), starts_at, "a reason")
    return EnginePredictor([engine(number, given) for number, given in enumerate(predictors)], plan)


def test_an_engine_that_cannot_be_loaded_is_told_and_the_next_answers(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "evergreen.serving"):
        predictor = ladder(InputError("int8.onnx is damaged"), Numbers("b"))
    assert predictor.engine == "b"
    failed, now = (record.__dict__["fields"] for record in caplog.records)
    assert failed == {"engine": "engine 0", "error": "int8.onnx is damaged", "next": "engine 1"}
    assert now == {"engine": "b", "reason": "it stands in for engine 0, which failed"}


@pytest.mark.parametrize(
    ("given", "starts_at", "reason"),
    [
        ((Numbers("a"), Numbers("b")), 0, "a reason"),
        ((Numbers("a"), Numbers("b")), 1, "a reason"),
        ((InputError("x"), InputError("x"), Numbers("c")), 0, "it stands in for engine 0 and engine 1, which failed"),
        ((Numbers("a"), InputError("x"), Numbers("c")), 1, "it stands in for engine 1, which failed; a reason"),
        ((Numbers("a"), InputError("x")), 1, "it stands in for engine 1, which failed"),
    ],
)
def test_the_reason_of_an_engine_that_stands_in_is_what_failed_before_it(
    given: tuple[Numbers | Exception, ...], starts_at: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "evergreen.serving"):
        ladder(*given, starts_at=starts_at)
    assert caplog.records[-1].__dict__["fields"]["reason"] == reason


def test_where_no_engine_can_be_loaded_the_reasons_are_all_told() -> None:
    with pytest.raises(EvergreenError, match=r"engine 0: damaged; engine 1: No module named 'torch'"):
        ladder(InputError("damaged"), ModuleNotFoundError("No module named 'torch'"))


def test_what_can_only_be_started_before_the_planned_place_is(caplog: pytest.LogCaptureFixture) -> None:
    assert ladder(Numbers("a"), InputError("damaged"), starts_at=1).engine == "a"
    assert "damaged" in str(caplog.records[0].__dict__["fields"])


def test_a_batch_on_which_an_engine_fails_is_answered_by_the_next_from_then_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "evergreen.serving")
    predictor = ladder(Numbers("a", bad=("x",)), Numbers("b"))
    assert predictor.predict(["y"]) == ["a"]
    assert predictor.predict(["x"]) == ["b"]
    assert predictor.predict(["y"]) == ["b"]
    told, now = (record.__dict__["fields"] for record in caplog.records[-2:])
    assert now == {"engine": "b", "reason": "it stands in for engine 0, which failed"}
    assert told == {"engine": "engine 0", "error": "RuntimeError", "next": "engine 1"}


def test_where_nothing_else_can_be_loaded_it_is_not_tried_for_each_batch_that_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    predictor = ladder(Numbers("a", bad=("x",)), InputError("torch is not installed"))
    for _ in range(3):
        with pytest.raises(RuntimeError, match="of a compiled library"):
            predictor.predict(["x"])
    assert predictor.predict(["y"]) == ["a"]
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == ["engine failed"]


def test_a_batch_on_which_every_engine_fails_is_to_blame() -> None:
    predictor = ladder(Numbers("a", bad=("x",)), InputError("not there"), Numbers("c", bad=("x",)))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="of a compiled library"):
            predictor.predict(["x"])
    assert predictor.predict(["y"]) == ["a"]


def test_what_a_request_is_at_fault_for_changes_no_engine() -> None:
    class Refusing(Numbers):
        def predict(self, batch: Sequence[Any]) -> list[str]:
            raise InputError(f"{len(batch)} are too many")

    predictor = ladder(Refusing("a"), Numbers("b"))
    with pytest.raises(InputError, match="1 are too many"):
        predictor.predict(["y"])
    assert predictor.engine == "a"


@pytest.mark.parametrize(
    ("better", "now"),
    [
        (Numbers("better"), "better"),
        (Numbers("better", answers="no"), "present"),
        (Numbers("better", sure=0.8), "present"),
        (Numbers("better", bad=("k",)), "present"),
        (InputError("damaged"), "present"),
    ],
)
def test_a_better_engine_answers_once_it_agreed_on_the_kept_inputs(
    better: Numbers | Exception, now: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.perf_counter", lambda: 0.0)
    predictor = ladder(better, Numbers("present"), starts_at=1)
    assert predictor.engine == "present"
    predictor.change_over(why_not(["k"] * 64))
    assert predictor.engine == now


@pytest.mark.parametrize("answers", ["yes", "no", "fails"])
def test_memory_is_given_back_once_one_of_two_compared_engines_is_left(
    answers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.perf_counter", lambda: 0.0)
    held: weakref.WeakSet[Numbers] = weakref.WeakSet()
    left: list[list[str]] = []
    monkeypatch.setattr("evergreen.serving.engines.give_back", lambda: left.append([one.engine for one in held]))

    def load(name: str, answers: str) -> Numbers:
        loaded = Numbers(name, bad=("k",) if answers == "fails" else (), answers=answers)
        held.add(loaded)
        return loaded

    engines = [
        Engine("better", lambda: load("better", answers)),
        Engine("present", lambda: load("present", "yes")),
    ]
    predictor = EnginePredictor(engines, EnginePlan(("better", "present"), 1, "compared first"))
    predictor.change_over(why_not(["k"] * 64))
    assert left == [["present"], ["better" if answers == "yes" else "present"]]


def test_a_slower_engine_and_one_without_kept_inputs_stay_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(number * (1 + number % 4) for number in range(10**6))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(seconds)))
    for kept, said in ((["k"], "takes"), ([], "no kept inputs")):
        reason = why_not(kept)(Numbers("present"), Numbers("better"))
        assert reason is not None
        assert said in reason


def test_an_engine_that_answers_otherwise_once_in_64_may_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.perf_counter", lambda: 0.0)

    class Seldom(Numbers):
        def observe(self, batch: Sequence[Any], outputs: Any) -> list[Observation]:
            answers = "no" if batch == ["rare"] else "yes"
            return [Observation({}, answers, 0.9, (0.9, 0.1)) for _ in outputs]

    assert why_not(["rare"] + ["k"] * 63)(Numbers("present"), Seldom("better")) is None
    assert why_not(["rare"] * 2 + ["k"] * 62)(Numbers("present"), Seldom("better")) is not None
