"""The previous champion back at 100 % of the traffic, or the champion while a canary has a share."""

from __future__ import annotations

import argparse


def main(args: argparse.Namespace) -> None:
    """Exchanges champion and previous, on the endpoint, in the record and in its mirrors."""
    from commands.project import open_served

    project = open_served(args.config, args.name)
    project.check_stack()
    from orchestration.deployment import roll_back_champion

    deployment = roll_back_champion(project.model_name, project.host)
    print(f"champion is {deployment.version} again")
    print(f"deployment  {deployment.message}")
    print(f"endpoint    {deployment.url}")
    print("no run promotes the withdrawn version again by itself")
