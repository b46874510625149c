"""Why a prediction is not made, beside what its instances are at fault for."""

from __future__ import annotations

from evergreen.core.errors import EvergreenError, InputError, InstanceError


class NotReadyError(EvergreenError):
    """The model is loading; asking again later helps."""


class DrainingError(NotReadyError):
    """The server ends; asking again finds another one."""


class FullError(NotReadyError):
    """More waits than the server holds; asking again in a moment helps."""


class TooLateError(NotReadyError):
    """The caller's time was over before the prediction was made."""


class UndecodableError(InputError):
    """A decoder met something in an instance that nobody foresaw; `__cause__` says where."""


class UndecodableInstanceError(UndecodableError, InstanceError):
    """The same, of one instance."""
