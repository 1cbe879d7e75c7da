"""A simulated device verifies with the very function of the agent's verification child."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_agent import trust_child
from surefoot_agent.trust import ChildTrust
from surefoot_shared.errors import SurefootError
from surefoot_simulators.device import trust
from surefoot_simulators.device.trust import InProcessTrust


@pytest.fixture
def device(tmp_path: Path) -> InProcessTrust:
    return InProcessTrust(tmp_path, "cam-1", "rpi5", lambda: datetime(2030, 1, 1, tzinfo=timezone.utc), tuple)


def test_it_is_the_agents_own_trust_around_the_childs_own_answer() -> None:
    assert issubclass(InProcessTrust, ChildTrust)
    assert trust.trust_child is trust_child
    own = {name for name in vars(InProcessTrust) if not name.startswith("__")}
    assert own == {"_ask"}


def test_what_the_child_refuses_is_raised_as_from_a_child(device: InProcessTrust) -> None:
    with pytest.raises(SurefootError) as caught:
        device.decide(b"not a bundle")

    assert caught.value.kind in ("bundle_malformed", "not_enrolled")
