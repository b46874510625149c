"""Lines that a person types to act on a model, as messages offer them.

python run.py approve 3fa41c02be17 --config configs/prod.yaml --name news --why "…"
"""

from __future__ import annotations

from shlex import quote


def model_arguments(configuration: str | None, model: str) -> str:
    """What a command is told to act on the model; None: a person fills in the configuration, which nothing tells."""
    return f"--config {quote(configuration) if configuration else '…'} --name {quote(model)}"


def answer_commands(version: str, arguments: str) -> tuple[str, str]:
    """The lines that approve and reject a version that waits; `arguments` are those of its model."""
    told = f'{quote(version)} {arguments} --why "…"'
    return f"python run.py approve {told}", f"python run.py reject {told}"
