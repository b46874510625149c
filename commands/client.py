"""Items in requests of a size that the endpoint takes; one that it refuses is named by its place in the input."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from evergreen.core.answers import Predictions
from evergreen.core.errors import InputError, InstanceError, RequestTooLargeError

Instance = dict[str, Any]


class Client(NamedTuple):
    """An endpoint as a command asks it.

    `predict` gives predictions of instances, in order; `instance` makes one of an item. The instances of one request
    take `max_bytes` as JSON at most.
    """

    predict: Callable[[Sequence[Instance]], Predictions]
    instance: Callable[[Any], Instance]
    max_bytes: int


def predict(client: Client, instances: Sequence[Instance], where: str, start: int) -> list[Predictions]:
    """What was answered, request by request, in order; an instance that cannot be used is named by its row in the
    input.

    Instances that are too much for one request are asked in two.
    """
    try:
        return [client.predict(instances)]
    except RequestTooLargeError as error:
        half = len(instances) // 2
        if not half:
            raise InputError(f"{where} {start + 1} is too large for one request: {error}") from error
        first = predict(client, instances[:half], where, start)
        return first + predict(client, instances[half:], where, start + half)
    except InstanceError as error:
        raise InputError(f"{where} {start + error.index + 1}: {error.reason}") from error


def batches(
    items: Iterable[Any], instance: Callable[[Any], Instance], size: int, max_bytes: int
) -> Iterator[tuple[int, list[Any], list[Instance]]]:
    """Up to `size` items whose instances fit into one request, the instances, and before both the first's position."""
    start, taken = 0, 0
    batch: list[tuple[Any, Instance]] = []
    for item in items:
        made = instance(item)
        item_bytes = _bytes_as_json(made)
        if batch and taken + item_bytes > max_bytes:
            yield start, *_unzipped(batch)
            start, taken, batch = start + len(batch), 0, []
        batch.append((item, made))
        taken += item_bytes
        if len(batch) == size:
            yield start, *_unzipped(batch)
            start, taken, batch = start + len(batch), 0, []
    if batch:
        yield start, *_unzipped(batch)


def _unzipped(pairs: Sequence[tuple[Any, Instance]]) -> tuple[list[Any], list[Instance]]:
    return [item for item, _ in pairs], [made for _, made in pairs]


def _bytes_as_json(instance: dict[str, Any]) -> int:
    return len(json.dumps(instance, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")) + 1
