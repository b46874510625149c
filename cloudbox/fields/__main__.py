"""`python -m cloudbox.fields`: writes `documented.json` anew, as the installed clients have it."""

from __future__ import annotations

import json

from cloudbox.fields.documented import Behaviours, documented
from cloudbox.fields.guard import TABLE


def as_json(behaviours: Behaviours) -> str:
    """One message a line, so that a new client's changes can be read."""
    lines = [f"{json.dumps(name)}: {json.dumps(fields)}" for name, fields in behaviours.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    TABLE.write_text(as_json(documented()), encoding="utf-8")
    print(f"wrote {TABLE}")
