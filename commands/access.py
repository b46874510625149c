"""How GitHub signs in to a Google project, and the names of what lies there.

In a workflow they become the step's outputs and the job's environment; in a shell: `eval "$(python run.py access …)"`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from commands.github.files import export, set_outputs
from commands.github.projects import VARIABLE, access_to


def main(args: argparse.Namespace) -> None:
    """Prints the environment as lines for a shell; tells on stderr who signs in how."""
    access = access_to(args.project, args.region, os.environ.get(VARIABLE, ""))
    set_outputs({"provider": access.provider, "service_account": access.service_account})
    export(access.environment)
    print(f"{args.project}: {access.service_account} through {access.provider}", file=sys.stderr)
    for name, value in access.environment.items():
        print(f"export {name}={shlex.quote(value)}")
