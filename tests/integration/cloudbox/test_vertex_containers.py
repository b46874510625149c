"""Containers as processes, each way into an /app of their own that this machine allows."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudbox.errors import ApiError
from cloudbox.home import Home
from cloudbox.vertex.containers import OUT_OF_MEMORY, Containers, ContainerSpec
from cloudbox.vertex.sandbox import NAMESPACES, Sandbox


@pytest.fixture
def home(tmp_path: Path) -> Home:
    code = tmp_path / "code"
    code.mkdir()
    (code / "main.py").write_text("print('from the image')")
    images = {
        "*": {"python": sys.executable, "env": {"FROM": "image", "BOTH": "image"}},
        "with-code": {"python": sys.executable, "code": str(code), "command": ["python", "main.py"]},
    }
    home = Home(tmp_path / "home")
    home.write(home.images, json.dumps(images))
    return home


@pytest.fixture
def containers(home: Home) -> Iterator[Containers]:
    containers = Containers(home)
    yield containers
    containers.close()


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_two_containers_do_not_see_each_others_app(home: Home, namespace: str, tmp_path: Path) -> None:
    if Sandbox(tmp_path / "probe", [namespace]).name is None:
        pytest.skip(f"this machine allows no {namespace}")
    containers = Containers(home, [namespace])
    script = "mkdir -p /app/$0 && pwd && ls /app && sleep 0.2 && ls /app && exit $1"
    both = [containers.start(ContainerSpec("i", ["sh", "-c", script, name, code]), name) for name, code in ("a3", "b4")]
    assert [container.wait(20) for container in both] == [3, 4]
    assert [container.tail().split() for container in both] == [["/app", "a", "a"], ["/app", "b", "b"]]
    containers.close()


def test_its_environment_is_the_images_and_the_tasks(containers: Containers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVICE", "leaked")
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    container = containers.start(ContainerSpec("i", ["python", "-c", script], env={"BOTH": "task"}), "env")
    assert container.wait(20) == 0
    seen = json.loads(container.tail())
    assert (seen["FROM"], seen["BOTH"], "SECRET_OF_THE_SERVICE" in seen) == ("image", "task", False)
    assert seen["HOME"].startswith(str(container.folder))


def test_code_and_command_of_an_image_stand_in_app(containers: Containers) -> None:
    container = containers.start(ContainerSpec("with-code"), "code")
    assert (container.wait(20), container.tail()) == (0, "from the image")


def test_a_container_beyond_its_memory_is_killed_and_says_so(containers: Containers) -> None:
    script = "held = b'1' * 300 * 2**20; import time; time.sleep(60)"
    container = containers.start(ContainerSpec("i", ["python", "-c", script], memory_bytes=100 * 2**20), "memory")
    assert container.wait(20) == OUT_OF_MEMORY
    assert container.out_of_memory
    assert "100 allowed" in container.tail()


def test_one_that_ignores_sigterm_is_killed_with_its_children(containers: Containers) -> None:
    script = "trap '' TERM; echo ready; sleep 60 & wait; wait"
    container = containers.start(ContainerSpec("i", ["bash", "-c", script]), "stubborn")
    while "ready" not in container.tail():
        assert container.wait(0.05) is None
    container.stop(grace_s=0.2)
    assert container.exit_code() == 128 + signal.SIGKILL


def test_an_image_that_stands_for_nothing_is_named(home: Home, containers: Containers) -> None:
    home.write(home.images, json.dumps({"other": {"python": sys.executable}}))
    with pytest.raises(ApiError, match=r"`i` cannot be pulled.*has: other"):
        containers.start(ContainerSpec("i", ["true"]), "none")
