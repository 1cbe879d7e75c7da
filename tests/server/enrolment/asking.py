"""A node that asks to become a device, for the tests of enrolment."""

from __future__ import annotations

from datetime import datetime

from surefoot_server.enrolment.service import TokenWish
from surefoot_shared.enrolment import Enrolled, EnrolRequest
from surefoot_shared.identity import DeviceKey, generate_key, public_to_pem
from tests.server.broker.rig import request as csr
from tests.server.rig import NOW, Rig


class Node:
    """One node with its own key."""

    def __init__(self, rig: Rig, device: str = "cam-1", hw: str = "rpi5") -> None:
        self.rig, self.device, self.hw = rig, device, hw
        self.key: DeviceKey = generate_key()

    @property
    def public(self) -> str:
        return public_to_pem(self.key.public_key()).decode()

    def request(self, token: str) -> EnrolRequest:
        return EnrolRequest(self.device, self.hw, token, csr(self.device, self.key).decode())

    def ask(self, token: str, now: datetime = NOW) -> Enrolled | None:
        with self.rig.db.write() as session:
            return self.rig.state.enrolment.enrol(session, self.request(token), now)


def make_token(rig: Rig, wish: TokenWish | None = None, now: datetime = NOW) -> str:
    with rig.db.write() as session:
        chosen = wish or TokenWish(auto_approve=True, max_uses=10)
        return rig.state.enrolment.create_token(session, chosen, "anna", now)[1]


def token_id(text: str) -> str:
    return text.split("_")[1]
