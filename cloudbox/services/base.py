"""What the supervisor needs to know of a service."""

from __future__ import annotations

import socket
import ssl
from abc import ABC, abstractmethod

import httpx

from cloudbox.box import HOST, Box

ANSWER_WITHIN_S = 2.0


class Service(ABC):
    """One process of the box; it may start others in its own session."""

    name: str

    @abstractmethod
    def command(self, box: Box) -> list[str]:
        """What runs it in the foreground; it holds no secret, since every user of the machine sees command lines."""

    def environment(self, box: Box) -> dict[str, str]:  # noqa: ARG002 (a service that needs none takes the default)
        """The variables that it needs over those of every service."""
        return {}

    @abstractmethod
    def answers(self, box: Box) -> bool:
        """Whether it does its work now; asked again and again while it starts."""

    @abstractmethod
    def address(self, box: Box) -> str:
        """Where a person finds it."""

    def prepare(self, box: Box) -> None:
        """Makes what it needs before its first start; changes nothing later."""
        (box.home.state(self.name) / "tmp").mkdir(mode=0o700, parents=True, exist_ok=True)

    def caveat(self, box: Box) -> str:  # noqa: ARG002 (most services work the same on every machine)
        """What will not work on this machine, and what to do; empty where all does."""
        return ""

    def settle(self, box: Box) -> None:  # noqa: B027 (most services have nothing to settle)
        """Makes what can only be made once it answers; changes nothing when that was done."""


def http_answers(url: str) -> bool:
    """Whether a plain HTTP server answers this URL with success."""
    try:
        return httpx.get(url, timeout=ANSWER_WITHIN_S, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def tls_answers(box: Box, port: int, protocol: str) -> bool:
    """Whether a server at this port shows the box's certificate and speaks `h2` (gRPC) or `http/1.1`."""
    context = ssl.create_default_context(cafile=str(box.home.ca))
    context.set_alpn_protocols([protocol])
    try:
        with (
            socket.create_connection((HOST, port), timeout=ANSWER_WITHIN_S) as connection,
            context.wrap_socket(connection, server_hostname="aiplatform.googleapis.com"),
        ):
            return True
    except OSError:
        return False


def tcp_answers(port: int) -> bool:
    """Whether anything accepts connections at this port."""
    try:
        socket.create_connection((HOST, port), timeout=ANSWER_WITHIN_S).close()
    except OSError:
        return False
    return True
