"""The match rules of a release and a device that need no metadata: hardware, security version, counter. Pure.

Imports no TUF library, so that a process of root may apply them that never loads a parser of metadata.
"""

from __future__ import annotations

from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.release import TargetNote
from surefoot_shared.status import Intent
from surefoot_shared.trust.floors import Floors

MAY_GO_BACK = frozenset({Intent.DOWNGRADE, Intent.REVERT})
"""Intents that allow a counter below the committed one; an svn below the floor takes a permit."""


def check_target(target: TargetNote, intent: Intent, hw: str, floors: Floors, permitted: bool = False) -> None:
    """The match rules that need no metadata: hardware, svn floor, counter. Raises UntrustedRelease.

    `permitted`: the release keys let this device go below its floor this once.
    """
    component, name = target.component, f"{target.component} {target.version}"
    if hw not in target.hw:
        raise UntrustedRelease("wrong_hardware", f"{name} is for {', '.join(target.hw)[:200]}; this device is {hw}.")
    if permitted:
        return
    floor = floors.svn.get(component, 0)
    if target.svn < floor:
        raise UntrustedRelease("below_svn_floor", f"{name} has security version {target.svn}; the floor is {floor}.")
    counter = floors.counter.get(component, 0)
    if target.counter < counter and intent not in MAY_GO_BACK:
        message = f"{name} has counter {target.counter}; {counter} is committed and the intent is {intent.value}."
        raise UntrustedRelease("below_counter", message)
