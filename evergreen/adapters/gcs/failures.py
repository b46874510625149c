"""What a bucket's clients raise, told as the project's errors, each with what to do; this machine's failures apart."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from evergreen.adapters.google.calls import ADVICE, Failure, Kind, failure_of, kind_of_status, reason_of
from evergreen.core.errors import EvergreenError, InputError

_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE}
"""What an open file of this machine may fail with, and no connection; such an error does not name the file."""


class StorageError(EvergreenError):
    """Cloud Storage did not do what was asked of it."""


class RefusedError(StorageError, InputError):
    """What a person can set right: the address, the credentials, what the account may."""


@contextmanager
def translated(address: str, to_correct: str) -> Iterator[None]:
    """Raises what the clients of a bucket raise as an error that one line can tell.

    Raises:
        RefusedError: nothing is at the address, or it may not be used.
        StorageError: Cloud Storage does not answer.
        EvergreenError: a file of this machine cannot be read or written.
    """
    import gcsfs
    from aiohttp import ClientError
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

    try:
        yield
    except (gcsfs.retry.HttpError, ClientError) as error:
        # The status, which the metadata's client calls `code` and that of the bytes `status`.
        status = error.code if isinstance(error, gcsfs.retry.HttpError) else getattr(error, "status", None)
        kind = kind_of_status(int(status)) if status else Kind.UNANSWERED
        raise _of_failure(address, Failure(kind, reason_of(error), False, error)) from error
    except (gcsfs.retry.ChecksumError, DataCorruption, InvalidResponse) as error:
        raise _of_failure(address, Failure(Kind.UNANSWERED, reason_of(error), False, error)) from error
    except OSError as error:
        raise _of_system(address, to_correct, error) from error
    except ValueError as error:
        if str(error).startswith("Bad Request"):
            raise _denied(address, reason_of(error)) from error
        raise
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        if failure.kind is Kind.MISSING:
            raise _nothing(address, to_correct, failure.reason) from error
        raise _of_failure(address, failure) from error


def of_answer(address: str, to_correct: str, status: int, reason: str) -> StorageError:
    """What a refusal with an HTTP status means."""
    kind = kind_of_status(status)
    if kind is Kind.MISSING:
        return _nothing(address, to_correct, reason)
    return _of_failure(address, Failure(kind, reason, True, StorageError(reason)))


def of_silence(address: str, reason: str) -> StorageError:
    """What it means that no answer came, or none that holds."""
    return _of_failure(address, Failure(Kind.UNANSWERED, reason, True, StorageError(reason)))


def of_credentials(address: str, error: Exception) -> StorageError:
    """What it means that there are no credentials, or that they are no longer good."""
    reason = " ".join(str(error).split())[:300].rstrip(".")
    return _of_failure(address, Failure(Kind.CREDENTIALS, reason, False, error))


def of_disk(address: str, error: OSError) -> EvergreenError:
    """What it means that a file of this machine failed."""
    return EvergreenError(
        f"a file of this machine failed while it was copied to or from {address}: {error}; "
        "make it readable, or make room, and run again"
    )


def _of_failure(address: str, failure: Failure) -> StorageError:
    match failure.kind:
        case Kind.CREDENTIALS:
            return RefusedError(failure.message(f"no credentials for {address}"))
        case Kind.DENIED | Kind.INVALID:
            return _denied(address, failure.reason)
        case Kind.REFUSED:
            return StorageError(
                f"Cloud Storage does not do what was asked of {address}: {failure.reason}; it will not later either: "
                "check the address, and what answers there"
            )
        case Kind.MISSING:
            return StorageError(f"a file of {address} went away while it was read; run again")
        case Kind.EXHAUSTED:
            return StorageError(failure.message(address))
    return StorageError(f"Cloud Storage does not answer for {address}: {failure.reason}; {ADVICE[Kind.UNANSWERED]}")


def _of_system(address: str, to_correct: str, error: OSError) -> EvergreenError:
    """Told by file and number, which errors of the system have and those that gcsfs raises for an answer have not."""
    reason = reason_of(error)
    if error.filename is not None or error.errno in _OF_THE_DISK:
        return of_disk(address, error)
    if isinstance(error, FileNotFoundError):
        return _nothing(address, to_correct, reason)
    if reason.startswith("Forbidden"):
        return _denied(address, reason)
    return StorageError(f"{address} cannot be used now: {reason}; {ADVICE[Kind.UNANSWERED]}")


def _nothing(address: str, to_correct: str, reason: str) -> RefusedError:
    return RefusedError(f"nothing at '{address}' ({reason}), or it is not shown to these credentials; {to_correct}")


def _denied(address: str, reason: str) -> RefusedError:
    return RefusedError(
        f"{address} may not be used: {reason}; the account needs roles/storage.objectViewer on the bucket, "
        "to write there roles/storage.objectUser"
    )
