"""A lease in a bucket: one object, written only at the generation that was read.

Cloud Storage takes a write with `ifGenerationMatch` as a whole or not at all, generation 0 standing for no object. All
times are its own: an object's last write, and the `Date` of its answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from evergreen.adapters.gcs.clients import limits, storage_client
from evergreen.adapters.gcs.failures import RefusedError, StorageError
from evergreen.adapters.google.calls import ADVICE, Failure, Kind, calling, passing_over
from evergreen.core.errors import EvergreenError
from evergreen.core.lease import TTL_S, Lease, MovedError, Seen

CALL_TIMEOUT_S = (10.0, 30.0)
RETRY_TIMEOUT_S = 60.0
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


@dataclass
class GcsLease:
    """The `LeaseStore` that is the object `name` of the bucket, which `setting` names. `project` None: not told."""

    project: str | None
    bucket: str
    name: str
    setting: str = "parameters.host.staging"
    poll_s: float = 2.0
    _now: datetime = field(default=datetime.min.replace(tzinfo=UTC), init=False)

    def read(self) -> Seen:
        """The lease as it is now.

        Raises:
            RefusedError: no credentials, no bucket, or no permission.
            StorageError: Cloud Storage does not answer, or the object is none of this project's.
        """
        with calling(self._error_of):
            for _ in range(3):  # replaced between the two requests: asked again
                blob = self._client.bucket(self.bucket).get_blob(self.name, **self._calls)
                if blob is None:
                    return Seen(lease=Lease(), generation=0, now=self._now, until=self._now)
                now = self._now
                with passing_over(Kind.MISSING):
                    content = blob.download_as_bytes(raw_download=True, **self._calls)
                    return Seen(
                        lease=self._lease(content),
                        generation=int(blob.generation),
                        now=now,
                        until=blob.updated + timedelta(seconds=TTL_S),
                    )
        raise StorageError(f"{self._address} changes all the time; run again")

    def write(self, lease: Lease, generation: int) -> int:
        """The new generation. Raises as `read` does, and MovedError when the object has another one than given."""

        def error_of(failure: Failure) -> EvergreenError:
            if failure.kind is Kind.PRECONDITION:
                return MovedError(f"{self._address} has another generation than {generation}")
            return self._error_of(failure)

        blob = self._client.bucket(self.bucket).blob(self.name)
        with calling(error_of):
            blob.upload_from_string(
                lease.model_dump_json(),
                content_type="application/json",
                if_generation_match=generation,
                **self._calls,
            )
        return int(blob.generation)

    def _lease(self, content: bytes) -> Lease:
        try:
            return Lease.model_validate_json(content)
        except ValueError as error:
            raise StorageError(f"{self._address} is no lease: {error}; remove the object") from error

    @property
    def _address(self) -> str:
        return f"gs://{self.bucket}/{self.name}"

    @property
    def _calls(self) -> dict[str, Any]:
        return limits(CALL_TIMEOUT_S, RETRY_TIMEOUT_S)

    @cached_property
    def _client(self) -> Any:
        import google.auth
        from google.auth.transport.requests import AuthorizedSession

        with calling(self._error_of):
            credentials, _ = google.auth.default(scopes=[SCOPE])
            session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # google.auth has no types
            session.hooks["response"].append(self._set_time)
            return storage_client(project=self.project, credentials=credentials, _http=session)

    def _set_time(self, response: Any, *_: Any, **__: Any) -> None:
        """Takes the server's time, whole seconds, from its answer."""
        if date := response.headers.get("Date"):
            self._now = parsedate_to_datetime(date)

    def _error_of(self, failure: Failure) -> StorageError:
        match failure.kind:
            case Kind.CREDENTIALS:
                return RefusedError(failure.message(f"no credentials for {self._address}"))
            case Kind.DENIED | Kind.MISSING:
                return RefusedError(
                    f"{self._address} may not be used, or has no bucket: {failure.reason}; the account needs "
                    f"roles/storage.objectUser on the bucket of {self.setting}"
                )
            case Kind.INVALID | Kind.REFUSED | Kind.EXHAUSTED:
                advice = dict.fromkeys((Kind.INVALID, Kind.REFUSED), f"check the bucket of {self.setting}")
                return StorageError(failure.message(self._address, advice))
        reason = failure.reason
        return StorageError(f"Cloud Storage does not answer for {self._address}: {reason}; {ADVICE[Kind.UNANSWERED]}")
