"""A component has slots, bootloader and application of its own; a device with two of them is one device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent.reset_cause import Cause
from surefoot_shared import wire
from surefoot_shared.messages import Hello, Sealed
from surefoot_shared.release import manifest_bytes
from surefoot_shared.status import Ability, AttemptState
from surefoot_shared.topics import up
from surefoot_simulators.device.birth import Birth
from surefoot_simulators.device.board import End
from surefoot_simulators.device.boot import Kind
from surefoot_simulators.device.node import Node
from tests.simulators.device.test_node import KEY, Yard


class Pair(Yard):
    """A device whose model has slots of its own."""

    def __init__(self, folder: Path, boot: Kind) -> None:
        super().__init__(folder, boot)
        birth = Birth("cam-2", "x86-box", "hue", KEY, boot=boot, beside=("model",))
        self.pair = Node(birth, folder / "cam-2", self, {})


@pytest.fixture(params=[Kind.LINK, Kind.COUNTER], ids=["folder", "root"])
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path, request.param)
    yield made
    for node in (made.node, made.pair):
        node.lanes.end()
        if node.journal is not None:
            node.journal.close()


def test_only_the_first_component_may_be_a_root_and_only_folders_can_do_without_a_switch(yard: Pair) -> None:
    app, model = yard.pair.parts.values()
    hands = {part.name: part.hands(yard.pair.origin, model.folder) for part in (app, model)}

    assert not model.is_root
    assert hands["model"].abilities == {Ability.RECREATE, Ability.SHADOW}
    assert hands["app"].reboots == app.is_root
    assert bool(hands["app"].abilities) == (not app.is_root)


def test_the_busiest_component_speaks_for_the_device(yard: Pair) -> None:
    app, model = yard.pair.parts.values()
    assert yard.pair.state is AttemptState.IDLE

    model.state = AttemptState.STAGED
    app.state = AttemptState.SWITCHING
    assert yard.pair.state is AttemptState.SWITCHING

    app.state = AttemptState.IDLE
    assert yard.pair.state is AttemptState.STAGED


def test_a_hello_names_every_component(yard: Pair) -> None:
    for name in yard.pair.parts:
        manifest = replace(yard.manifest, component=name)
        yard.pair.provision(name, manifest, manifest_bytes(manifest))
    yard.pair.start()
    yard.queue.run(60.0)

    hellos = [t.payload for t in yard.broker.waiting() if t.topic == up("cam-2", "hello")]
    told = wire.decode(Hello, wire.decode(Sealed, hellos[-1]).payload.encode())

    assert [component.component for component in told.components] == ["app", "model"]
    assert yard.pair.versions() == ("1.0",)
    yard.pair.end(End(Cause.POWER_CUT, off_s=5.0))
    assert (yard.pair.version(), yard.pair.versions()) == (None, ("",))
    yard.queue.run(200.0)
    assert (yard.pair.version(), yard.pair.versions()) == ("1.0", ("1.0",))
