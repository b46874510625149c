"""The champion live with all the traffic: an endpoint that was parked or lost, brought back without a run."""

from __future__ import annotations

import argparse


def main(args: argparse.Namespace) -> int:
    """Starts what the champion lacks, and changes nothing where it answers."""
    from commands.project import open_served

    project = open_served(args.config, args.name)
    project.check_stack()
    from orchestration.deployment import deploy_champion

    deployment = deploy_champion(project.model_name, project.host)
    print(f"champion    {deployment.version}")
    print(f"deployment  {deployment.message}")
    print(f"endpoint    {deployment.url or 'none'}")
    return 1 if deployment.outcome == "rolled_back" else 0
