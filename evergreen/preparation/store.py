"""What the workers wrote, put where the source reads it: all of it or nothing, and only when enough rows are good."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import RootModel

from evergreen.adapters.files.destination import opened_files, put_bytes, replace_set
from evergreen.adapters.files.prepared import PreparedSet
from evergreen.core.errors import EvergreenError, InputError
from evergreen.preparation.part import REJECTED
from evergreen.preparation.plan import STAGING, Plan
from evergreen.preparation.summary import Summary

RESULTS = "results.json"
STATISTICS = "_statistics.json"
REJECTED_BEFORE = "_rejected.jsonl"
"""The list of an earlier version, for all parts."""


class Results(RootModel[dict[str, Summary | None]]):
    """What came of parts by the names of their shards; None: their shards were there already."""


def write_results(results: dict[str, Summary | None], staging: str) -> None:
    """Keeps what came of the parts; the last thing that workers do."""
    with opened_files(staging) as files:
        put_bytes(files, Results(results).model_dump_json().encode(), f"{staging}/{RESULTS}")


def read_results(files: Any, plan: Plan) -> dict[str, Summary | None]:
    """What the workers kept. Raises EvergreenError where somebody else has removed it."""
    if not files.exists(f"{plan.staging}/{RESULTS}"):
        raise EvergreenError(
            f"{plan.folder} was prepared by somebody else meanwhile, and stays as it is now; run again"
        )
    return Results.model_validate_json(files.cat_file(f"{plan.staging}/{RESULTS}")).root


def known_parts(files: Any, plan: Plan, before: PreparedSet) -> dict[str, Summary]:
    """What came of parts whose shards are all there, by the names of those."""
    names = {path.rpartition("/")[2] for path in files.find(plan.folder)}
    known = {name: Summary.model_validate(part) for name, part in before.parts.items()}
    return {name: part for name, part in known.items() if all(shard.name in names for shard in part.shards)}


def store(files: Any, plan: Plan, before: PreparedSet, now: PreparedSet) -> None:
    """Puts new shards in place beside those that stay, and makes `now` the set that the source reads. Then goes what
    others left unfinished: of one that is still under way the set changed meanwhile, which stops it.

    Raises:
        EvergreenError: somebody else prepares the same folder.
    """
    unfinished = [] if now == before else _unfinished(files, plan)
    if files.exists(plan.staging):
        for path in sorted(files.find(plan.staging)):
            name = path.rpartition("/")[2]
            if name != RESULTS:
                files.mv(path, f"{plan.folder}/{name}")
    replace_set(files, plan.folder, before, now)
    for path in unfinished:
        with suppress(FileNotFoundError):
            files.rm(path, recursive=True)


def _unfinished(files: Any, plan: Plan) -> list[str]:
    """The staging folders of other preparations of the same folder."""
    paths = [path.rstrip("/") for path in files.ls(plan.folder, detail=False)]
    own = plan.staging.rpartition("/")[2]
    return [path for path in paths if (name := path.rpartition("/")[2]).startswith(STAGING) and name != own]


def write_statistics(files: Any, plan: Plan, parts: Mapping[str, Summary], summary: Summary) -> None:
    """Of all rows, beside the shards; removes lists of unusable rows that are no part's any more."""
    intake = summary.intake()
    rows = {"seen": intake.seen, "rows": summary.rows, "rejected": summary.bad, "duplicates": summary.duplicates}
    statistics = {**rows, "left_out": intake.left_out, **summary.counts}
    content = json.dumps(statistics, indent=2, ensure_ascii=False).encode() + b"\n"
    place = f"{plan.folder}/{STATISTICS}"
    if not files.exists(place) or files.cat_file(place) != content:
        put_bytes(files, content, place)
    kept = {f"{REJECTED}{name}.jsonl" for name, part in parts.items() if part.bad}
    for path in sorted(files.find(plan.folder)):
        name = path.rpartition("/")[2]
        if name == REJECTED_BEFORE or (name.startswith(REJECTED) and name not in kept):
            files.rm_file(path)


def check(summary: Summary, max_bad_share: float) -> None:
    """Returns when what came of all parts may be trained on.

    Raises:
        InputError: a part cannot be read, or more rows are unusable than may be left out.
        EvergreenError: a part could not be worked on.
    """
    if summary.failures:
        worst = max(failure.exit_code for failure in summary.failures)
        messages = "\n".join(dict.fromkeys(failure.message for failure in summary.failures))
        raise (InputError if worst == InputError.exit_code else EvergreenError)(messages)
    total = summary.rows + summary.bad
    listed = "".join(f"\n- {name}: {reason}" for name, reason in summary.examples.items())
    if summary.bad > max_bad_share * total:
        more = "\n- …" if summary.bad > len(summary.examples) else ""
        raise InputError(
            f"{summary.bad:,} of {total:,} rows cannot be used ({summary.bad / total:.2%}, at most {max_bad_share:.2%} "
            f"may be left out):{listed}{more}\ncorrect them, or raise prepare.max_bad_share"
        )
    if not summary.rows:
        raise InputError("no row is left to train on; correct prepare.origin")
