"""One request on its way through the queue: decoded whole, predicted in parts, answered once all of them are there."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from evergreen.core.errors import EvergreenError
from evergreen.core.protocols import Predictor
from evergreen.requestlog.witness import Witness
from evergreen.serving.errors import TooLateError, UndecodableError, UndecodableInstanceError


class Row(NamedTuple):
    """A decoded instance; `place` is its own in the request, `size` its work."""

    job: Job
    place: int
    content: Any
    size: int


class Job:
    """One request; `answer` is cancelled when its caller is gone."""

    def __init__(
        self,
        predictor: Predictor,
        instances: list[Any],
        time_left_s: float | None = None,
        witness: Witness | None = None,
    ) -> None:
        self.answer: Future[list[dict[str, Any]]] = Future()
        self.predictor = predictor
        self.instances = len(instances)
        self.decoded_bytes = 0
        self._given = instances
        self._deadline = None if time_left_s is None else time.monotonic() + time_left_s
        self._witness = witness
        self._waiting: list[Row] = []
        """Rows that no batch has taken yet, the smallest last."""
        self._lock = threading.Lock()
        self._made: list[dict[str, Any]] = [{}] * len(instances)
        self._missing = len(instances)

    def goes_on(self) -> bool:
        """Whether somebody waits for the answer; one whose caller's time is over gets that as its answer."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            self.fail(TooLateError("the caller's time was over before the prediction was made; ask again later"))
        return not self.answer.done()

    @property
    def has_rows(self) -> bool:
        """Whether rows wait for a batch."""
        return bool(self._waiting)

    def decode(self) -> bool:
        """Makes rows of the instances; False where the answer is there already, as that one cannot be used."""
        try:
            if not self.goes_on():
                return False
            contents = _decoded(self.predictor, self._given)
            sizes = self.predictor.sizes(contents)
            rows = [Row(self, place, *both) for place, both in enumerate(zip(contents, sizes, strict=True))]
        except BaseException as error:
            self.fail(error)
            return False
        self._given = []
        self.decoded_bytes = sum(content.nbytes for content in contents if isinstance(content, np.ndarray))
        self._waiting = sorted(rows, key=lambda row: row.size, reverse=True)
        return bool(rows)

    def take(self, budget: int) -> list[Row]:
        """The next rows, as many as one batch does well, the smallest first."""
        taken: list[Row] = []
        while self._waiting and (not taken or (len(taken) + 1) * self._waiting[-1].size <= budget):
            taken.append(self._waiting.pop())
        return taken

    def receive(self, rows: Sequence[Row], outputs: Any) -> None:
        """Takes the raw outputs of some rows; the last ones make the answer."""
        places = [row.place for row in rows]
        try:
            made = self.predictor.encode(outputs)
            check_rows(len(made), len(rows))
            if self._witness is not None:
                self._witness.saw(self.predictor, [row.content for row in rows], outputs, places)
        except BaseException as error:
            self.fail(error)
            return
        with self._lock:
            for place, prediction in zip(places, made, strict=True):
                self._made[place] = prediction
            self._missing -= len(rows)
            whole = not self._missing
        if whole:
            with suppress(InvalidStateError):  # cancelled at this very moment
                self.answer.set_result(self._made)

    def fail(self, error: BaseException) -> None:
        """Answers with an error, and drops what was not predicted."""
        self._waiting = []
        with suppress(InvalidStateError):
            self.answer.set_exception(error)


def check_rows(made: int, rows: int) -> None:
    """Raises EvergreenError where a model gives other than one prediction a row."""
    if made != rows:
        raise EvergreenError(f"the model gave {made} predictions for {rows} instances")


def _decoded(predictor: Predictor, instances: list[Any]) -> Sequence[Any]:
    """The rows. What a decoder stumbles over is the request's fault, by the name of its instance."""
    try:
        return predictor.decode(instances)
    except EvergreenError:
        raise
    except Exception as error:
        for index, instance in enumerate(instances):
            try:
                predictor.decode([instance])
            except Exception as own:
                reason = "cannot be decoded; check it, and send it apart from others"
                raise UndecodableInstanceError(index, reason) from own
        raise UndecodableError("the instances cannot be decoded together; send them in several requests") from error
