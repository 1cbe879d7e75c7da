"""What a stolen online key can make is refused by every device, each for its reason."""

from __future__ import annotations

import pytest

from surefoot_shared.errors import UntrustedRelease
from surefoot_simulators.world import forgeries
from surefoot_simulators.world.faults import Forgery
from surefoot_simulators.world.world import World

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("what", Forgery)
def test_a_forged_bundle_yields_no_wish(played: World, what: Forgery) -> None:
    wishes, reasons = decided(played, what)

    assert wishes == ()
    assert reasons in REASONS[what]


REASONS = {
    Forgery.NEVER_RELEASED: [("not_released",)],
    Forgery.DOWNGRADE: [("below_counter",)],
    Forgery.WRONG_HARDWARE: [("wrong_hardware",)],
    Forgery.OTHER_DEVICE: [("wrong_device",)],
    Forgery.STRANGER: [("metadata_untrusted",)],
}


def decided(played: World, what: Forgery) -> tuple[tuple[object, ...], tuple[str, ...]]:
    """What a device wants after such a bundle, and why it refused."""
    node = played.nodes["cam-0003"]
    assert node.runner is not None
    try:
        decision = node.runner._trust.decide(forgeries.bundle(played, node, what))
    except UntrustedRelease as error:
        return (), (error.kind,)
    return decision.wishes, tuple(refusal.reason for refusal in decision.refusals)
