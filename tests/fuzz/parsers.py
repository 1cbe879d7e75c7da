"""Every parser that meets bytes from outside, with what it may raise, and honest bytes to be bent.

A parser that is not in this table is not fuzzed: `test_fuzz` fails for a message class without a row.
"""

from __future__ import annotations

import base64
import dataclasses
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from tuf.api.metadata import Metadata, Root

from surefoot_agent import orders
from surefoot_agent.config import load
from surefoot_agent.downlink import parse_down
from surefoot_agent.download import air, discovery
from surefoot_agent.ports import Decision, Refusal
from surefoot_agent.privileged import chain_child, talk
from surefoot_agent.privileged.chain_talk import Question as HelpersQuestion
from surefoot_agent.trust_talk import Answer, Question
from surefoot_server import config as server_config
from surefoot_server import inbound
from surefoot_server.cohorts import grammar
from surefoot_server.intake import Telegram
from surefoot_server.keys.rotation import Rotation, parse_rotation
from surefoot_server.pki.ca import read_request
from surefoot_server.releases.recipe import read_recipe
from surefoot_server.rollouts import policy as rollout_policy
from surefoot_shared import messages, topics, wire
from surefoot_shared.enrolment import Enrolled, EnrolRequest
from surefoot_shared.errors import ConfigError, Invalid, UntrustedRelease
from surefoot_shared.identity import generate_key, open_sealed, seal
from surefoot_shared.messages import MetadataVersions
from surefoot_shared.pack import HEAD_BYTES, Base, Member, MemberKind, PackIndex, index_bytes, parse_index
from surefoot_shared.release import manifest_bytes, parse_manifest
from surefoot_shared.seals import SealKind
from surefoot_shared.tokens import DeviceToken, TokenRequest
from surefoot_shared.trust.bundle import Bundle, pack, unpack
from surefoot_shared.trust.halt import verify_halt
from surefoot_shared.trust.permit import Permit
from surefoot_shared.trust.policy import Policy
from tests.shared.examples import IMAGE_MANIFEST
from tests.shared.trust.simulator import DEVICE, NOW, DeviceSimulator, FleetSimulator, manifest

KEY = generate_key()
FLEET = FleetSimulator()
FLEET.release_version("1.1", 101)
ROOT = Metadata[Root].from_bytes(FLEET.director_roots["1.root.json"].encode()).signed


@dataclass(frozen=True)
class Parser:
    """`parse` returns something or raises one of `raises`; `honest` are bytes that it takes."""

    parse: Callable[[bytes], object]
    raises: tuple[type[Exception], ...]
    honest: bytes
    slow: bool = False
    """Writes files; fewer examples are tried."""


def message_classes() -> list[type]:
    return [each for each in vars(messages).values() if isinstance(each, type) and dataclasses.is_dataclass(each)]


def _decoder(cls: type) -> Parser:
    return Parser(lambda raw: wire.decode(cls, raw), (Invalid,), b'{"v": 1}')


def _up(what: str) -> Parser:
    topic = topics.up("cam-1", what)

    def parse(raw: bytes) -> object:
        return inbound.read(Telegram(topic, raw), lambda _: [KEY.public_key()])

    return Parser(parse, (Invalid,), wire.encode(seal(SealKind.HELLO, b'{"device": "cam-1"}', KEY)))


def _down(what: str) -> Parser:
    topic = topics.down("cam-1", what)
    return Parser(lambda raw: parse_down("cam-1", topic, raw), (), b'{"v": 1}')


def _config(raw: bytes) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "agent.toml")
        path.write_bytes(raw)
        return load(path, env={})


def _server_config(raw: bytes) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "server.toml")
        path.write_bytes(raw)
        return server_config.load(path, env={})


def _recipe(raw: bytes) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "release.toml")
        path.write_bytes(raw)
        return read_recipe(path)


def _image(raw: bytes) -> object:
    """The manifest, and what is computed from the block index in it."""
    read = parse_manifest(raw)
    return read.blobs, read.installed_size_bytes, read.inodes


def _order(raw: bytes) -> object:
    """A verb that is none is a ValueError, which the socket answers like what is no order."""
    with suppress(ValueError):
        return orders.order_of(wire.parse(raw))
    return None


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _decide(raw: bytes) -> object:
    """The bytes as files of a bundle that is otherwise honest; whatever they are, the device takes the next one."""
    text = raw.decode(errors="replace")
    with tempfile.TemporaryDirectory() as folder:
        device = DeviceSimulator(Path(folder, "trust"), FLEET)
        for repository, name in (
            ("director", "timestamp.json"),
            ("director", "2.root.json"),
            ("image", "timestamp.json"),
        ):
            director, image = FLEET.assign(FLEET.wish()), dict(FLEET.image)
            {"director": director, "image": image}[repository][name] = text
            try:
                device.decide(pack(Bundle(DEVICE, director, image)))
            except UntrustedRelease:
                continue
        verified = device.decide(FLEET.bundle(FLEET.wish()))
        assert verified.approved
        return verified


def _request() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cam-1")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(KEY, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def _sealed(raw: bytes) -> object:
    return open_sealed(SealKind.TOKEN, wire.decode(messages.Sealed, raw), KEY.public_key())


_NONE = MetadataVersions()
_DECISION = Decision((), (Refusal("a", "app", 1, "halted", "m"),), 1, _NONE, _NONE, "")
_PERMIT = Permit("p-1", "app", "0" * 64, "1" * 64, ("cam-1",), "2030-01-01T00:00:00Z", "reason")

_QUESTION = HelpersQuestion(
    "app",
    "0" * 64,
    base64.b64encode(FLEET.image["1.root.json"].encode()).decode(),
    (),
    base64.b64encode(FLEET.image["1.targets.json"].encode()).decode(),
    base64.b64encode(FLEET.image["2.rel-app.json"].encode()).decode(),
    "2026-06-01T12:00:00Z",
)

_PACK = PackIndex("1" * 64, "2" * 64, (Member(0, 0, 9, MemberKind.HDIFFPATCH, 7, (Base(1, 0, 5),)),))

PARSERS: dict[str, Parser] = {
    "bundle": Parser(unpack, (UntrustedRelease,), FLEET.bundle(FLEET.wish())),
    "metadata": Parser(_decide, (), FLEET.assign()["timestamp.json"].encode(), slow=True),
    "halt list": Parser(lambda raw: verify_halt(raw, ROOT, NOW), (UntrustedRelease,), FLEET.halt_list("0" * 64)),
    "manifest": Parser(parse_manifest, (UntrustedRelease,), manifest()),
    "pack": Parser(parse_index, (Invalid,), index_bytes(_PACK)[HEAD_BYTES:]),
    "found cache": Parser(discovery.port_in, (), discovery.answer(b"\0\0", 8047)),
    "question for caches": Parser(discovery.asks, (), discovery.question()),
    "note of chunks": _decoder(air.Note),
    "image manifest": Parser(_image, (UntrustedRelease,), manifest_bytes(IMAGE_MANIFEST)),
    "rotation": Parser(parse_rotation, (Invalid,), wire.encode(Rotation({"image/2.root.json": "{}"}, "why"))),
    "rollout policy": Parser(lambda raw: rollout_policy.parse(_text(raw)), (Invalid,), b"phases: [{percent: 100}]"),
    "cohort": Parser(lambda raw: grammar.parse(_text(raw)), (Invalid,), b"hw ~ 'rpi*' and not (country == 'VN')"),
    "recipe": Parser(_recipe, (ConfigError, Invalid), b'component = "app"\nversion = "1"\n', slow=True),
    "server settings": Parser(_server_config, (ConfigError,), b"api_port = 8080\n", slow=True),
    "helper's request": Parser(
        lambda raw: wire.decode(talk.Request, raw, talk.REQUEST_BYTES),
        (Invalid,),
        wire.encode(talk.Request(talk.Verb.BOOT, "app")),
    ),
    "helper's question": Parser(chain_child.answer, (), wire.encode(_QUESTION)),
    "local order": Parser(_order, (Invalid,), b'{"verb": "status"}'),
    "policy": Parser(lambda raw: wire.decode(Policy, raw), (Invalid,), wire.encode(Policy("app"))),
    "permit": Parser(lambda raw: wire.decode(Permit, raw), (Invalid,), wire.encode(_PERMIT)),
    "agent settings": Parser(_config, (ConfigError,), b'state_dir = "/tmp/x"\n[app_env]\nA = "b"\n', slow=True),
    "child's answer": Parser(lambda raw: wire.decode(Answer, raw), (Invalid,), wire.encode(Answer(_DECISION))),
    "child's question": Parser(
        lambda raw: wire.decode(Question, raw), (Invalid,), wire.encode(Question("decide", "/", "cam-1", "rpi5", ""))
    ),
    "certificate request": Parser(lambda raw: read_request(raw, "cam-1"), (Invalid,), _request()),
    "sealed": Parser(_sealed, (Invalid,), wire.encode(seal(SealKind.TOKEN, b"{}", KEY))),
    "enrolment": Parser(
        lambda raw: wire.decode(EnrolRequest, raw), (Invalid,), wire.encode(EnrolRequest("cam-1", "rpi5", "t", "csr"))
    ),
    "enrolled": Parser(lambda raw: wire.decode(Enrolled, raw), (Invalid,), b'{"device": "cam-1", "v": 1}'),
    "token request": Parser(
        lambda raw: wire.decode(TokenRequest, raw), (Invalid,), wire.encode(TokenRequest("cam-1", "s", 1, "n", ""))
    ),
    "token": Parser(lambda raw: wire.decode(DeviceToken, raw), (Invalid,), wire.encode(DeviceToken("t", 1.0))),
    **{f"up {what}": _up(what) for what in topics.UP},
    **{f"down {what}": _down(what) for what in topics.DOWN},
    **{f"message {cls.__name__}": _decoder(cls) for cls in message_classes() if not issubclass(cls, Enum)},
}
