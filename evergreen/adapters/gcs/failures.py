"""What a bucket's clients raise, told as the project's errors, each with what to do; this machine's failures apart."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from evergreen.adapters.google.calls import LOGIN, Kind, failure_of, kind_of_status
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
        told = error.code if isinstance(error, gcsfs.retry.HttpError) else getattr(error, "status", None)
        raise _of_kind(address, kind_of_status(int(told)) if told else Kind.UNANSWERED, error) from error
    except (gcsfs.retry.ChecksumError, DataCorruption, InvalidResponse) as error:
        raise _of_kind(address, Kind.UNANSWERED, error) from error
    except OSError as error:
        raise _of_system(address, to_correct, error) from error
    except ValueError as error:
        if str(error).startswith("Bad Request"):
            raise _refused(address, error) from error
        raise
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        if failure.kind is Kind.MISSING:
            raise _nothing(address, to_correct, error) from error
        raise _of_kind(address, failure.kind, error) from error


def _of_kind(address: str, kind: Kind, error: Exception) -> StorageError:
    match kind:
        case Kind.CREDENTIALS:
            return RefusedError(f"no credentials for {address}: {_line(error)}; run `{LOGIN}`")
        case Kind.DENIED | Kind.REFUSED:
            return _refused(address, error)
        case Kind.MISSING:
            return StorageError(f"a file of {address} went away while it was read; run again")
    return StorageError(f"Cloud Storage does not answer for {address}: {_line(error)}; try again later")


def _of_system(address: str, to_correct: str, error: OSError) -> EvergreenError:
    """Told by file and number, which errors of the system have and those that gcsfs raises for an answer have not."""
    if error.filename is not None or error.errno in _OF_THE_DISK:
        return EvergreenError(
            f"a file of this machine failed while it was copied to or from {address}: {_line(error)}; "
            "make it readable, or make room, and run again"
        )
    if isinstance(error, FileNotFoundError):
        return _nothing(address, to_correct, error)
    if str(error).startswith("Forbidden"):
        return _refused(address, error)
    return StorageError(f"{address} cannot be used now: {_line(error)}; try again later")


def _nothing(address: str, to_correct: str, error: Exception) -> RefusedError:
    return RefusedError(
        f"nothing at '{address}' ({_line(error)}), or it is not shown to these credentials; {to_correct}"
    )


def _refused(address: str, error: Exception) -> RefusedError:
    return RefusedError(
        f"{address} may not be used: {_line(error)}; the account needs roles/storage.objectViewer on the bucket, "
        "to write there roles/storage.objectUser"
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
