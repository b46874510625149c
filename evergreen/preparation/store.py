"""What the workers wrote, put where the source reads it: all of it or nothing, and only when enough rows are good."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from evergreen.adapters.files.destination import PREFIX, opened_files, prepared_below
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.intake import NOTHING, LeftOut
from evergreen.preparation.part import REJECTED
from evergreen.preparation.plan import Plan
from evergreen.preparation.summary import Summary

SUMMARY = "summary.json"
STATISTICS = "_statistics.json"
REJECTED_ROWS = "_rejected.jsonl"


def write_summary(summary: Summary, staging: str) -> None:
    """Keeps what came of all parts; the last thing that workers do."""
    with opened_files(staging) as files:
        files.makedirs(staging, exist_ok=True)
        files.pipe_file(f"{staging}/{SUMMARY}", summary.model_dump_json().encode())


def check_folder(plan: Plan) -> None:
    """Removes what this very preparation left unfinished. Raises InputError where files lie that nobody prepared."""
    with opened_files(plan.folder) as files:
        if files.exists(plan.folder):
            prepared_below(files, plan.folder)
        if files.exists(plan.staging):
            files.rm(plan.staging, recursive=True)


def store(plan: Plan, left_out: LeftOut = NOTHING) -> Summary:
    """Puts the shards in place, with statistics and the rejected rows, and removes what was prepared before.

    `left_out` lies beside the origin's files.

    Raises:
        InputError: a part cannot be read, or more rows are unusable than may be left out.
        EvergreenError: a part could not be worked on, or rows were lost.
    """
    with opened_files(plan.folder) as files:
        merged = Summary.model_validate_json(files.cat_file(f"{plan.staging}/{SUMMARY}"))
        summary = merged.model_copy(update={"left_out": left_out})
        try:
            _check(summary, plan.preparation.max_bad_share)
            before = prepared_below(files, plan.folder)
            digest = hashlib.sha256("".join(shard.sha256 for shard in summary.shards).encode()).hexdigest()[:12]
            placed = [f"{plan.folder}/{PREFIX}{digest}-{shard.name}" for shard in summary.shards]
            for shard, target in zip(summary.shards, placed, strict=True):
                files.mv(f"{plan.staging}/{shard.name}", target)
            names = {target.rpartition("/")[2] for target in placed}
            for stale in before:
                if stale.rpartition("/")[2] not in names:
                    files.rm_file(stale)
            _tell(files, plan, summary)
        finally:
            files.rm(plan.staging, recursive=True)
    return summary


def _tell(files: Any, plan: Plan, summary: Summary) -> None:
    intake = summary.intake()
    rows = {"seen": intake.seen, "rows": summary.rows, "rejected": summary.bad, "duplicates": summary.duplicates}
    statistics = {**rows, "left_out": intake.left_out, **summary.counts}
    files.pipe_file(
        f"{plan.folder}/{STATISTICS}", json.dumps(statistics, indent=2, ensure_ascii=False).encode() + b"\n"
    )
    lists = sorted(path for path in files.find(plan.staging) if path.rpartition("/")[2].startswith(REJECTED))
    rejected = f"{plan.folder}/{REJECTED_ROWS}"
    if lists:
        files.pipe_file(rejected, b"".join(files.cat_file(path) for path in lists))
    elif files.exists(rejected):
        files.rm_file(rejected)


def _check(summary: Summary, max_bad_share: float) -> None:
    if summary.failures:
        worst = max(failure.exit_code for failure in summary.failures)
        messages = "\n".join(failure.message for failure in summary.failures)
        raise (InputError if worst == InputError.exit_code else EvergreenError)(messages)
    total = summary.rows + summary.bad
    listed = "".join(f"\n- {name}: {reason}" for name, reason in summary.examples.items())
    if summary.bad > max_bad_share * total:
        more = "\n- …" if summary.bad > len(summary.examples) else ""
        raise InputError(
            f"{summary.bad:,} of {total:,} rows cannot be used ({summary.bad / total:.2%}, at most {max_bad_share:.2%} "
            f"may be left out):{listed}{more}\ncorrect them, or raise extra.prepare.max_bad_share"
        )
    if not summary.rows:
        raise InputError("no row is left to train on; correct extra.prepare.origin")
