"""How GitHub signs in to a Google project, the names of what lies there, and the model that is delivered.

In a workflow they become the step's outputs and the job's environment; in a shell: `eval "$(python run.py access …)"`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from commands.github.files import export, set_outputs
from commands.github.models import model_name
from commands.github.projects import VARIABLE, access_to


def main(args: argparse.Namespace) -> None:
    """Prints the environment as lines for a shell; tells on stderr who signs in how."""
    access = access_to(args.project, args.region, os.environ.get(VARIABLE, ""))
    outputs = {"provider": access.provider, "service_account": access.service_account}
    if args.config is not None:
        outputs["model"] = model_name(args.config, args.name)
    set_outputs(outputs)
    export(access.environment)
    print(f"{args.project}: {access.service_account} through {access.provider}", file=sys.stderr)
    for name, value in access.environment.items():
        print(f"export {name}={shlex.quote(value)}")
