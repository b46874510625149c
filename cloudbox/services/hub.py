"""The Hugging Face Hub. Clients find it by `HF_ENDPOINT`; its repositories lie below `<home>/hub`."""

from __future__ import annotations

import sys

from cloudbox.box import Box
from cloudbox.hub.accounts import ensure_tokens, tokens
from cloudbox.services.base import Service, http_answers


class Hub(Service):
    """`python -m cloudbox.hub`, with one token for writing and one for reading."""

    name = "hub"

    def command(self, box: Box) -> list[str]:
        """The service's own module."""
        port = str(box.port(self.name))
        return [sys.executable, "-m", "cloudbox.hub", "--home", str(box.home.path), "--port", port]

    def answers(self, box: Box) -> bool:
        """Whether the server says that it is healthy."""
        return http_answers(f"{box.url(self.name)}/health")

    def address(self, box: Box) -> str:
        """The URL that stands for https://huggingface.co."""
        return box.url(self.name)

    def prepare(self, box: Box) -> None:
        """Makes the tokens."""
        super().prepare(box)
        ensure_tokens(box.home)


def network(box: Box) -> dict[str, str]:
    """What leads the Hub's client here; the box speaks Git LFS, not Xet, which the client would take where it can."""
    return {"HF_ENDPOINT": box.url("hub"), "HF_HUB_DISABLE_XET": "1"}


def login(box: Box) -> dict[str, str]:
    """The token for writing, once the service was started."""
    file = box.home.state("hub") / "tokens.json"
    return {"HF_TOKEN": tokens(box.home)["write"]} if file.is_file() else {}
