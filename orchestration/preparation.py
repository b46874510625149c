"""What a configuration's preparation would do, by the code that would do it."""

from __future__ import annotations

from evergreen.adapters.kinds import AnySource
from evergreen.preparation import Preparation
from evergreen.preparation.plan import Plan, plan_of
from evergreen.tasks import AnyTask
from orchestration.fingerprint import preparation_code


def plan_for(preparation: Preparation, task: AnyTask, source: AnySource) -> Plan:
    """The plan; an edit of the code that makes rows ready prepares them all anew.

    Raises:
        InputError: the source cannot read what would be prepared, or a package's sources are not there.
    """
    return plan_of(preparation, task, source, preparation_code(preparation.origin, task))
