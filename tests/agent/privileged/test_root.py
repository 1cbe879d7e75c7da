from __future__ import annotations

import pytest

from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName
from tests.agent.privileged.image_rig import ImageRig

A, B = SlotName.A, SlotName.B


def test_a_root_is_seen_and_restarted_by_the_other_half_alone(board: ImageRig) -> None:
    board.prepare(board.publish(b"\2" * 4096, "1.1", 101))
    board.arm()
    root = board.proxies()[3]

    with pytest.raises(InstallFailed) as still_up:
        root.start(B, None)

    assert (still_up.value.kind, board.restarts) == ("restart_failed", ["ordered"])
    running = root.running()
    assert running is not None
    assert running.slot is A


def test_what_a_root_has_no_use_for_is_not_asked(board: ImageRig) -> None:
    root = board.proxies()[3]
    board.server.stop()
    board.line.drop()

    root.tend()
    root.stop()

    assert root.spec(A, board.old.manifest) is None
    assert root.endpoint() == {}
