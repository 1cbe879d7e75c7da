"""Bundles that whoever owns the server could send: signed with the fleet's real online keys, and to be refused.

Promises: nothing but what those keys can make; the offline keys are never used here.
"""

from __future__ import annotations

from dataclasses import replace

from surefoot_server.keys.files import read_key
from surefoot_server.keys.layout import DIRECTOR_KEY
from surefoot_shared import wire
from surefoot_shared.messages import AssignmentNote, Lease, MetadataVersions, Source
from surefoot_shared.release import digest_of
from surefoot_shared.status import Intent
from surefoot_shared.trust.bundle import Bundle, pack, unpack
from surefoot_shared.trust.director import SignedWish, sign_assignments
from surefoot_shared.trust.signing import new_signer
from surefoot_simulators.device.node import Node
from surefoot_simulators.world.faults import Forgery
from surefoot_simulators.world.world import World

LEASE_S = 3600.0
MALWARE = "6.6"


def bundle(world: World, node: Node, what: Forgery) -> bytes:
    """Make one for this device."""
    return forged(world, node, what)[0]


def forged(world: World, node: Node, what: Forgery) -> tuple[bytes, Lease]:
    """A bundle for this device, and leave to fetch what it names: a device that believed it would lack nothing."""
    name = node.birth.name if what is not Forgery.OTHER_DEVICE else _neighbour(world, node)
    online = world.site.online
    signer = new_signer() if what is Forgery.STRANGER else read_key(world.folder / "keys/online", DIRECTOR_KEY)
    wish = _wish(world, name, what, online.next_seq())
    director = sign_assignments(name, [wish], online.next_seq(), world.site.now(), signer)
    real = unpack(online.bundle(node.birth.name, [wish], MetadataVersions(), MetadataVersions(), world.site.now()))
    raw = pack(Bundle(node.birth.name, {**real.director, **director}, real.image))
    return raw, Lease(wish.note.assignment, (Source("https://thief/blobs/", "t"),), LEASE_S)


def _wish(world: World, name: str, what: Forgery, seq: int) -> SignedWish:
    note = AssignmentNote(name, world.new_id(), world.scenario.component, seq, Intent.UPDATE)
    oldest, *_, newest = sorted(world.made.values(), key=lambda made: made.manifest.counter)
    chosen = oldest if what is Forgery.DOWNGRADE else newest
    if what is Forgery.WRONG_HARDWARE:
        chosen = next(m for m in world.made.values() if world.nodes[name].birth.hw not in m.manifest.hw)
    if what is not Forgery.NEVER_RELEASED:
        return SignedWish(note, chosen.manifest.version, digest_of(chosen.raw), len(chosen.raw))
    malware = wire.encode(replace(chosen.manifest, version=MALWARE, hw=(world.nodes[name].birth.hw,)))
    world.blobs[digest_of(malware)] = malware
    return SignedWish(note, MALWARE, digest_of(malware), len(malware))


def _neighbour(world: World, node: Node) -> str:
    return next(name for name in world.nodes if name != node.birth.name)
