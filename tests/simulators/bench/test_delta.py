"""Bytes are judged by the best peer of the same run; a patch release also by a hundredth of the whole."""

from __future__ import annotations

from surefoot_simulators.bench.delta import figures
from surefoot_simulators.bench.figures import Peer

TOLD = {"fill_s": 1.0, "seal_s": 0.5, "peak_mib": 40.0, "child_mib": 50.0, "together_mib": 80.0}
PEERS = [Peer("zstd -3, whole", 127.0), Peer("OSTree static delta", 2.0), Peer("casync", 15.0)]


def test_fewer_bytes_than_every_peer_is_the_goal() -> None:
    size, memory = figures("minor release", 1_900_000, 600_000, TOLD, 60.0, PEERS)

    assert (size.goal, size.reached) == (2.0, True)
    assert (memory.value, memory.reached) == (80.0, True)


def test_a_patch_release_needs_a_hundredth_of_the_whole_at_most() -> None:
    size, _ = figures("patch release", 1_900_000, 600_000, TOLD, 60.0, PEERS)

    assert (size.goal, size.reached) == (1.27, False)
    assert "0.60 MB of it make the manifest" in size.note
