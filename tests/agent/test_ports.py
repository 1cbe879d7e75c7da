from __future__ import annotations

import inspect

import pytest

from surefoot_agent import ports
from surefoot_agent.application import Application
from surefoot_agent.boot.fake import FakeBoot
from surefoot_agent.boot.noted import NotedBoot
from surefoot_agent.boot.script import ScriptBoot
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.boot.uboot import UBoot
from surefoot_agent.download.http import HttpDownloader
from surefoot_agent.health.checks import Checks
from surefoot_agent.itself.application import OwnAgent
from surefoot_agent.itself.health import OwnHealth
from surefoot_agent.modules.application import ModuleApplication
from surefoot_agent.ports import BootControl, SlotControl, TrialControl
from surefoot_agent.rootfs import RootFilesystem
from surefoot_agent.shadow import Shadow
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.slots.image import ImageSlots
from surefoot_agent.telemetry import NodeTelemetry
from surefoot_agent.trust import ChildTrust
from tests.agent import fakes

BOOTS = (SymlinkBoot, FakeBoot, UBoot, ScriptBoot, NotedBoot)
ADAPTERS = [
    (ports.Trust, ChildTrust),
    (ports.Trust, fakes.FakeTrust),
    *[(port, kind) for port in (SlotControl, TrialControl, BootControl) for kind in BOOTS],
    *[
        (port, kind)
        for port in (ports.SlotContents, ports.SlotWriter, ports.Slots)
        for kind in (DirectorySlots, ImageSlots)
    ],
    (ports.OnlyPlace, DirectorySlots),
    (ports.TakesFiles, DirectorySlots),
    (ports.ReadsBack, DirectorySlots),
    (ports.Downloader, HttpDownloader),
    (ports.Downloader, fakes.FakeDownloader),
    (ports.ApplicationControl, Application),
    (ports.ApplicationControl, RootFilesystem),
    (ports.ApplicationControl, ModuleApplication),
    (ports.Stepped, ModuleApplication),
    (ports.ShadowControl, Shadow),
    (ports.ApplicationControl, OwnAgent),
    (ports.ApplicationControl, fakes.FakeApplication),
    (ports.Health, Checks),
    (ports.Health, OwnHealth),
    (ports.Health, fakes.FakeHealth),
    (ports.Telemetry, NodeTelemetry),
    (ports.Telemetry, fakes.FakeTelemetry),
]


def methods(port: type) -> dict[str, inspect.Signature]:
    found = inspect.getmembers(port, inspect.isfunction)
    return {name: inspect.signature(function) for name, function in found if not name.startswith("_")}


@pytest.mark.parametrize(("port", "adapter"), ADAPTERS)
def test_an_adapter_has_every_method_of_its_port_with_the_same_parameters(port: type, adapter: type) -> None:
    offered = methods(adapter)

    for name, signature in methods(port).items():
        assert name in offered, f"{adapter.__name__} lacks {name}"
        assert list(offered[name].parameters) == list(signature.parameters), f"{adapter.__name__}.{name}"


def test_every_port_that_the_device_stands_on_has_a_real_adapter() -> None:
    ours = [kind for kind in vars(ports).values() if getattr(kind, "__module__", None) == ports.__name__]
    defined = {kind for kind in ours if getattr(kind, "_is_protocol", False)}

    assert {port.__name__ for port in defined - {port for port, _ in ADAPTERS}} <= {"Proof"}


def test_a_port_is_small_or_made_of_small_ones() -> None:
    for port in (SlotControl, TrialControl, ports.SlotContents, ports.SlotWriter):
        assert len(methods(port)) <= 6
    assert methods(BootControl).keys() == methods(SlotControl).keys() | methods(TrialControl).keys()


def test_values_that_cross_a_port_are_frozen() -> None:
    values = (ports.Piece, ports.BootTrial, ports.Capabilities)
    for value in (*values, ports.Wish, ports.Refusal, ports.Decision, ports.Running, ports.CheckResult):
        assert value.__dataclass_params__.frozen, value  # type: ignore[attr-defined]
