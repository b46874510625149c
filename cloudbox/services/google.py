"""The box's own servers for Google's interfaces: gRPC and REST over TLS, behind the gateway."""

from __future__ import annotations

import sys

from cloudbox.box import Box
from cloudbox.services.base import Service, http_answers, tcp_answers, tls_answers
from cloudbox.vertex.sandbox import Sandbox, can_make_app


class GoogleService(Service):
    """`python -m cloudbox.<name>`, which listens on one port for gRPC and on one for HTTPS."""

    def __init__(self, name: str) -> None:
        self.name = name

    def command(self, box: Box) -> list[str]:
        """The service's own module."""
        ports = [option for kind in ("grpc", "https") for option in (f"--{kind}-port", str(box.port(self.name, kind)))]
        return [sys.executable, "-m", f"cloudbox.{self.name}", "--home", str(box.home.path), *ports]

    def answers(self, box: Box) -> bool:
        """Whether both ports complete a TLS handshake."""
        return tls_answers(box, box.port(self.name, "grpc"), "h2") and tls_answers(
            box, box.port(self.name, "https"), "http/1.1"
        )

    def address(self, box: Box) -> str:
        """Its gRPC and HTTPS addresses; clients reach them through the gateway, by Google's host names."""
        return f"grpc {box.address(self.name, 'grpc')}, https {box.address(self.name, 'https')}"


class Vertex(GoogleService):
    """Vertex AI, whose containers need an `/app` of their own."""

    def __init__(self) -> None:
        super().__init__("vertex")

    def caveat(self, box: Box) -> str:
        """Where containers get no `/app`: pipelines of ZenML make it, and an ordinary user may not."""
        if Sandbox(box.home.state(self.name)).name or can_make_app():
            return ""
        return (
            "          containers get no /app here, which ZenML's steps make: this user may have no namespaces; run as "
            "root, or on Ubuntu: sudo sysctl --write kernel.apparmor_restrict_unprivileged_userns=0"
        )


class Gateway(GoogleService):
    """The proxies that lead Google's host names to the services and refuse all others; sign-in; small Google APIs."""

    def __init__(self) -> None:
        super().__init__("gateway")

    def command(self, box: Box) -> list[str]:
        """The gateway finds its ports, and those of the services that it leads to, in `box.json`."""
        return [sys.executable, "-m", "cloudbox.gateway", "--home", str(box.home.path)]

    def answers(self, box: Box) -> bool:
        """Whether both proxies accept connections and its own servers answer."""
        proxies = all(tcp_answers(box.port(self.name, name)) for name in ("grpc_proxy", "https_proxy"))
        return proxies and http_answers(f"{box.url(self.name)}/health") and super().answers(box)

    def address(self, box: Box) -> str:
        """The two proxies."""
        return f"grpc_proxy {box.url(self.name, 'grpc_proxy')}, https_proxy {box.url(self.name, 'https_proxy')}"
