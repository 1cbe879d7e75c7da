"""Downloads of a process of its own: killed in the middle, gone on with, and never larger than was stated."""

from __future__ import annotations

import json
import lzma
import random
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import hdiffpatch
import pytest
from backports import zstd

from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared import wire
from surefoot_shared.pack import DICTIONARY_BYTES, MEMBER_LIMIT_BYTES, Encoding
from surefoot_shared.release import digest_of, manifest_bytes
from tests.agent.download.devices import NEW, RAW, A, content, whole
from tests.agent.download.sources import Blobs, Request, serving
from tests.agent.download.unpacking import MadePack, packed, patched, plain
from tests.agent.trees import install, release, snapshot

ROOT = Path(__file__).parents[3]
MIB = 1024 * 1024
WHOLE = whole()
STEP_BYTES = 20_000


def start(root: Path, blobs: Blobs, manifest: Path, *packs: MadePack) -> subprocess.Popen[str]:
    offers = [wire.encode(made.offer).decode() for made in packs]
    command = [sys.executable, "-m", "tests.agent.download.dies", str(root), blobs.url, str(manifest), *offers]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def dripping(request: Request) -> None:
    """Send in steps, each counted once it is out; wait where the test says so."""
    if request.sha256 not in request.blobs.content:
        request.head(404, Content_Length=0)
        return
    body = request.body()
    part = body[request.offset :]
    headers = {"Content_Range": f"bytes {request.offset}-{len(body) - 1}/{len(body)}"} if request.ranged else {}
    request.head(206 if request.ranged else 200, Content_Length=len(part), **headers)
    for at in range(0, len(part), STEP_BYTES):
        request.wfile.write(part[at : at + STEP_BYTES])
        request.wfile.flush()
        request.blobs.sent += len(part[at : at + STEP_BYTES])
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["pack", "frame", "file"])
def test_a_download_that_is_killed_goes_on_and_fetches_nothing_twice(tmp_path: Path, by: str) -> None:
    (tmp_path / "manifest").write_bytes(RAW)
    packs = [WHOLE] if by == "pack" else []
    blobs_there = content(WHOLE)
    if by == "frame":
        blobs_there |= {digest_of(raw) + ".zst": zstd.compress(raw) for raw in NEW.values() if len(raw) > 4096}
    with serving(blobs_there, dripping) as blobs:
        kills = 0
        while True:
            before = blobs.sent
            process = start(tmp_path, blobs, tmp_path / "manifest", *packs)
            while process.poll() is None and blobs.sent < before + 8 * STEP_BYTES:
                time.sleep(0.01)
            if process.poll() is not None:
                break
            process.kill()
            process.wait()
            kills += 1
            assert kills < 20
        sent = blobs.sent

    once = len(WHOLE.raw) if by == "pack" else sum(map(len, dict.fromkeys(NEW.values())))
    assert process.returncode == 0
    assert kills >= 1
    assert snapshot(tmp_path / "app/slots/B") == NEW
    assert sent <= once + (kills + 1) * 200_000  # what was under way when it died, and had not been read
    offsets = [asked.offset for asked in blobs.asked]
    assert len([offset for offset in offsets if offset > 0]) >= kills


def largest(payload: bytes, encoding: Encoding) -> bytes:
    """With the farthest look back that a pack may have."""
    if encoding is Encoding.ZSTD:
        window = {zstd.CompressionParameter.window_log: DICTIONARY_BYTES.bit_length() - 1}
        return zstd.compress(payload, options=window)
    lzma2 = {"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": DICTIONARY_BYTES}
    return lzma.compress(payload, filters=[lzma2])


@pytest.mark.slow
@pytest.mark.parametrize("encoding", [Encoding.XZ, Encoding.ZSTD])
def test_the_largest_patch_leaves_agent_and_child_within_128_mib(tmp_path: Path, encoding: Encoding) -> None:
    """As many bytes as one member may need, behind as many as a dictionary holds."""
    dice = random.Random(1)
    old, new = dice.randbytes(26 * MIB), dice.randbytes(6 * MIB + MIB // 4)
    before = dice.randbytes(MIB) * (DICTIONARY_BYTES // MIB)
    old_manifest = release({"lib.so": old}, "1.0")
    manifest = release({"a": before, "lib.so": old[:MIB] + new}, "2.0")
    install(DirectorySlots(tmp_path / "app"), A, old_manifest, {"lib.so": old})
    (tmp_path / "manifest").write_bytes(manifest_bytes(manifest))
    patch = hdiffpatch.diff(old, old[:MIB] + new, compression="none", validate=False)
    members = [plain(0, before), patched(1, old, old[:MIB] + new, patch=patch)]
    start_from, to = digest_of(manifest_bytes(old_manifest)), digest_of(manifest_bytes(manifest))
    made = packed(members, to, start_from, encoding, partial(largest, encoding=encoding))
    with serving({made.offer.sha256: made.raw}) as blobs:
        process = start(tmp_path, blobs, tmp_path / "manifest", made)
        said, _ = process.communicate(timeout=110)

    memory = json.loads(said)
    print(f"\n{encoding.value}: agent {memory['agent_mib']:.0f} MiB, child {memory['child_mib']:.0f} MiB")
    assert members[1][0].memory_bytes > MEMBER_LIMIT_BYTES - MIB
    assert [asked.sha256 for asked in blobs.asked] == [made.offer.sha256]
    assert memory["agent_mib"] + memory["child_mib"] <= 128
