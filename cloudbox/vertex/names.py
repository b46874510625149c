"""The project in names of resources: callers give its id or its number, Vertex AI answers with the number.

projects/local-project/locations/us-central1/endpoints/1 -> projects/271828182845/locations/us-central1/endpoints/1

Inside, the service keeps the id. Only fields that refer to a resource are renamed; a text that a caller gave (a
variable of a container, a pipeline's parameter) comes back as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import symbol_database
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message_factory import GetMessageClass

from cloudbox.errors import ApiError

REFERENCES = frozenset(
    {"name", "parent", "endpoint", "model", "parent_model", "schedule_name", "main_job", "failed_main_jobs"}
)
Rename = Callable[[str], str]


@dataclass(frozen=True)
class ProjectNames:
    """The two names of the one project that the service has."""

    project: str
    number: int

    def inward(self, request: Any) -> None:
        """Turns the number into the id, in place.

        Raises:
            ApiError: PERMISSION_DENIED for a resource of another project, as Google answers it.
        """
        for field, value in request.ListFields():
            if field.name in REFERENCES and isinstance(value, str):
                self._check_project(value)
        _rename(request, lambda name: name.replace(f"projects/{self.number}/", f"projects/{self.project}/", 1))
        if "filter" in request.DESCRIPTOR.fields_by_name:
            request.filter = request.filter.replace(f"projects/{self.number}/", f"projects/{self.project}/")

    def outward(self, answer: Any) -> Any:
        """A copy of the answer with the number instead of the id."""
        copied = type(answer)()
        copied.CopyFrom(answer)
        _rename(copied, lambda name: name.replace(f"projects/{self.project}/", f"projects/{self.number}/", 1))
        return copied

    def _check_project(self, name: str) -> None:
        _, _, rest = name.partition("projects/")
        project = rest.partition("/")[0]
        if project and project not in (self.project, str(self.number)):
            raise ApiError(
                grpc.StatusCode.PERMISSION_DENIED,
                f"Permission denied on resource '//aiplatform.googleapis.com/{name}' (or it may not exist).",
            )


def _rename(message: Any, rename: Rename) -> None:
    if isinstance(message, AnyMessage):
        _rename_packed(message, rename)
        return
    for field, value in message.ListFields():
        if field.name in REFERENCES and field.type == field.TYPE_STRING:
            renamed = [rename(item) for item in value] if field.is_repeated else rename(value)
            message.ClearField(field.name)
            if field.is_repeated:
                getattr(message, field.name).extend(renamed)
            else:
                setattr(message, field.name, renamed)
        elif field.message_type and not field.message_type.GetOptions().map_entry:
            for part in value if field.is_repeated else [value]:
                if isinstance(part, AnyMessage) or field.message_type.file.package != "google.protobuf":
                    _rename(part, rename)


def _rename_packed(packed: Any, rename: Rename) -> None:
    """What an operation carries: its metadata and its response."""
    pool = symbol_database.Default().pool
    content = GetMessageClass(pool.FindMessageTypeByName(packed.TypeName()))()
    packed.Unpack(content)
    _rename(content, rename)
    packed.Pack(content)
