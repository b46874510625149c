"""Resource Manager for the box's one project: clients turn its id into its number and back."""

from __future__ import annotations

import grpc
from google.cloud import resourcemanager_v3 as resourcemanager

from cloudbox.box import Box
from cloudbox.dataflow.jobs import Jobs
from cloudbox.errors import ApiError
from cloudbox.gateway.builds import Builds
from cloudbox.rpc import Dispatcher, Method

GET_PROJECT = "/google.cloud.resourcemanager.v3.Projects/GetProject"


def dispatcher(box: Box, jobs: Jobs) -> Dispatcher:
    """The gRPC methods of the gateway: this, Cloud Build's and Dataflow's.

    Every other is recorded as refused and UNIMPLEMENTED. The calls of all Google APIs that the box lacks end here too.
    """

    def get_project(request: resourcemanager.GetProjectRequest) -> resourcemanager.Project:
        if request.name.removeprefix("projects/") not in {box.project, str(box.project_number)}:
            raise ApiError(
                grpc.StatusCode.PERMISSION_DENIED,
                f"The box has projects/{box.project} ({box.project_number}) only, not {request.name}.",
            )
        return resourcemanager.Project(
            name=f"projects/{box.project_number}",
            project_id=box.project,
            display_name=box.project,
            state=resourcemanager.Project.State.ACTIVE,
        )

    method = Method(get_project, resourcemanager.GetProjectRequest)
    return Dispatcher(box.home, "gateway", {GET_PROJECT: method, **Builds(box).methods(), **jobs.methods()})
