"""Resource Manager for the box's one project: clients turn its id into its number and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import grpc
from google.cloud import resourcemanager_v3 as resourcemanager

from cloudbox import refusals
from cloudbox.box import Box

GET_PROJECT = "/google.cloud.resourcemanager.v3.Projects/GetProject"


def find_project(box: Box, id_or_number: str) -> resourcemanager.Project | None:
    """The project, when it is the box's."""
    if id_or_number not in {box.project, str(box.project_number)}:
        return None
    return resourcemanager.Project(
        name=f"projects/{box.project_number}",
        project_id=box.project,
        display_name=box.project,
        state=resourcemanager.Project.State.ACTIVE,
    )


def not_in_the_box(box: Box, what: str) -> str:
    """What a client is told of a method without a handler at the host that it asked."""
    return f"{what} is not in the box, which stands for a few services of project {box.project} in {box.region}"


class ProjectsHandler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """The gRPC methods of the gateway: one; every other answers UNIMPLEMENTED and is recorded as refused."""

    def __init__(self, box: Box) -> None:
        self.box = box

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """What answers a call of this method."""
        method = handler_call_details.method
        if method == GET_PROJECT:
            return grpc.unary_unary_rpc_method_handler(
                self._get_project,
                request_deserializer=resourcemanager.GetProjectRequest.deserialize,
                response_serializer=resourcemanager.Project.serialize,
            )
        return grpc.unary_unary_rpc_method_handler(self._refusal(method))

    async def _get_project(
        self, request: resourcemanager.GetProjectRequest, context: grpc.aio.ServicerContext
    ) -> resourcemanager.Project | None:
        project = find_project(self.box, request.name.removeprefix("projects/"))
        if project is None:
            message = f"The box has project {self.box.project} ({self.box.project_number}) only, not {request.name}"
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, message)
        return project

    def _refusal(self, method: str) -> Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]:
        async def refuse(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            refusals.record(self.box.home, "gateway", method)
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, not_in_the_box(self.box, method))
            return request

        return refuse
