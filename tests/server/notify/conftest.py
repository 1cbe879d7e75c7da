"""A receiver and the service that sends to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from surefoot_server.notify.forms import Outside
from surefoot_server.notify.mail import MailServer
from surefoot_server.notify.sealing import Sealing
from surefoot_server.notify.sending import Sender
from surefoot_server.notify.service import NotifyService
from tests.server.notify.receiver import LOOPBACK, Receiver, receiving
from tests.server.rig import NOW, Rig

OUTSIDE = Outside("http://127.0.0.1:8080", LOOPBACK, MailServer("", "", ""))


class Clock:
    """Server time of a test."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def service(rig: Rig) -> NotifyService:
    sealing = Sealing(rig.state.settings.secrets_dir / "notify.key")
    return NotifyService(rig.db, rig.state.streams.feed, sealing, OUTSIDE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sender(rig: Rig, service: NotifyService, clock: Clock) -> Sender:
    return Sender(rig.db, service, clock=clock)
