"""The server's answers become values; what is missing, refused or unreachable is an error and never a guess."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from surefoot_shared.errors import Conflict, Invalid, Unreachable
from surefoot_simulators.demo.api import Api, by_hardware
from surefoot_simulators.demo.seen import SeenPhase
from surefoot_simulators.demo.server import Ports

PROOF = {
    "digest": "d1",
    "slot": "B",
    "pid": 7,
    "executable": "x",
    "directory": "y",
    "marked_good": True,
    "soak_s": 10.5,
}
OFFERED = {
    "component": "app",
    "release": "app/1.1",
    "intent": "update",
    "rollout": "r1",
    "phase": 0,
    "state": "idle",
    "outcome": "committed",
    "reason": None,
    "message": "",
    "offered_at": "2026-01-02T10:00:00Z",
    "proof": PROOF,
}
DEVICE = {
    "id": "cam-01",
    "hw": "rpi5",
    "online": True,
    "attention": None,
    "components": [{"component": "app", "slot": "B", "release": "app/1.1", "digest": "d1", "state": "idle"}],
}
ANSWERS: dict[str, object] = {
    "/healthz": {"ok": True},
    "/api/v1/devices": [DEVICE],
    "/api/v1/devices/cam-01": {
        **DEVICE,
        "assignments": [
            OFFERED,
            {**OFFERED, "rollout": "r0", "offered_at": "2026-01-01T10:00:00Z", "proof": None, "release": "app/1.0"},
            {**OFFERED, "component": "model", "rollout": "r9"},
        ],
    },
    "/api/v1/devices/cam-01/why": {"sentence": "cam-01 runs app/1.1: nothing is wanted."},
    "/api/v1/rollouts/r1": {
        "id": "r1",
        "release": "app/1.1",
        "state": "running",
        "reason": "",
        "phases": [{"name": "canary", "state": "baking", "members": 3, "reason": "waits"}],
    },
    "/api/v1/rollouts/r2": {"id": "r2", "state": "running"},
    "/api/v1/releases": [{"component": "app", "version": "1.1"}, {"component": "model", "version": "7"}],
}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, list[str]]]:
    """Answers as the real server's API does; remembers who asked."""
    tokens: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers.get("Authorization", ""))
            found = ANSWERS.get(self.path)
            body = json.dumps(found if found is not None else {"kind": "not_found", "message": "No such."}).encode()
            self.send_response(200 if found is not None else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}", tokens
    served.shutdown()
    served.server_close()


@pytest.fixture
def api(server: tuple[str, list[str]], tmp_path: Path) -> Api:
    (tmp_path / "token").write_text("sf_secret\n")
    return Api(server[0], tmp_path / "token", "app")


def test_a_device_is_what_its_component_says(api: Api) -> None:
    device = api.devices()["cam-01"]

    assert (device.version, device.slot, device.state, device.online) == ("1.1", "B", "idle", True)
    assert by_hardware(api.devices()) == {"cam-01": "rpi5"}


def test_assignments_of_the_component_come_oldest_first_with_their_proof(api: Api) -> None:
    first, last = api.assignments("cam-01")

    assert (first.version, first.proved_digest) == ("1.0", None)
    assert (last.version, last.proved_digest, last.proved_slot, last.soak_s) == ("1.1", "d1", "B", 10.5)


def test_a_rollout_has_its_phases_and_only_its_own_assignments(api: Api) -> None:
    rollout = api.rollout_whole("r1")

    assert rollout.phases == (SeenPhase("canary", "baking", 3, "waits"),)
    assert [(a.device, a.version) for a in rollout.assignments] == [("cam-01", "1.1")]


def test_an_answer_that_lacks_a_field_is_an_error_that_names_it(api: Api) -> None:
    with pytest.raises(Invalid, match="release is missing"):
        api.rollout("r2")


def test_a_refusal_carries_the_servers_own_words(api: Api) -> None:
    with pytest.raises(Conflict, match="No such"):
        api.rollout("r404")


def test_a_server_that_is_away_is_unreachable_and_not_healthy(tmp_path: Path) -> None:
    away = Api(f"http://127.0.0.1:{Ports.free().api}", tmp_path / "token", "app")

    assert not away.healthy()
    with pytest.raises(Unreachable):
        away.devices()


def test_releases_of_other_components_are_not_counted(api: Api) -> None:
    assert api.versions() == ("1.1",)
    assert api.why("cam-01") == "cam-01 runs app/1.1: nothing is wanted."


def test_the_token_goes_with_every_request_and_the_caller_s_proxy_is_not_asked(
    api: Api, server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server[1].clear()

    assert api.healthy()
    assert server[1] == ["Bearer sf_secret"]
