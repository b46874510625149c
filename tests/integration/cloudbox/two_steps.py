"""A pipeline of two steps, each a task of its own that signs in to ZenML; it stands alone, as a task gets it."""

from zenml import pipeline, step
from zenml.client import Client


@step
def first() -> str:
    return Client().active_user.name


@step
def second(name: str) -> str:
    return f"{name}, then {Client().active_user.name}"


@pipeline(enable_cache=False)
def two_steps() -> None:
    second(first())
