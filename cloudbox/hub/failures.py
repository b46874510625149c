"""What the Hub answers when it says no: a status, a sentence, and a code that its client turns into an exception.

404 with `X-Error-Code: RevisionNotFound`, `X-Error-Message: Invalid rev id: v9` and `{"error": "Invalid rev id: v9"}`
"""

from __future__ import annotations


class HubError(Exception):
    """An answer that is an error; `code` is the `X-Error-Code` header, `more` what else its body says."""

    def __init__(self, status: int, message: str, code: str | None = None, more: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.body = {"error": message, **(more or {})}

    @property
    def headers(self) -> dict[str, str]:
        """The headers that its client reads."""
        headers = {"X-Error-Message": self.message}
        return headers | ({"X-Error-Code": self.code} if self.code else {})


def bad_token() -> HubError:
    """The token is none of the Hub's."""
    return HubError(401, "Invalid credentials in Authorization header")


def no_repository(*, anonymous: bool) -> HubError:
    """There is none of this name, or none that this caller may see: the Hub does not tell the two apart."""
    if anonymous:
        return HubError(401, "Invalid username or password.", "RepoNotFound")
    return HubError(404, "Repository not found", "RepoNotFound")


def no_revision(name: str) -> HubError:
    """Neither a branch, a tag nor a commit."""
    return HubError(404, f"Invalid rev id: {name}", "RevisionNotFound")


def no_entry(path: str) -> HubError:
    """No such file at this revision."""
    return HubError(404, f"{path} does not exist on this revision", "EntryNotFound")


def forbidden(what: str) -> HubError:
    """The token is good, and not for this."""
    return HubError(403, f"you don't have the rights to {what}")
