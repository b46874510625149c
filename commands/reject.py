"""A version that waits is kept out, with all others of its recipe."""

from __future__ import annotations

import argparse


def main(args: argparse.Namespace) -> None:
    """Records what is said of the version; the endpoint stays as it is."""
    from commands.approve import answer_of, check_why
    from commands.project import open_served

    check_why(args, "too slow for the shop")
    project = open_served(args.config, args.name)
    project.check_stack()
    from orchestration.approval import reject

    answer = reject(project.model_name, project.host, args.version, answer_of(args, approved=False))
    print(f"version {args.version} was {answer.words}")
    print("no run promotes it any more, nor another version of its recipe; the endpoint stays as it is")
