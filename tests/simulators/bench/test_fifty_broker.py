"""Links with certificates of their own hear what one of them asked for, and what is sent is counted once."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.download.spool import Spool
from surefoot_server.releases.blobs import BlobStore
from surefoot_shared.release import digest_of
from surefoot_simulators.bench import fifty_broker
from surefoot_simulators.bench.fifty import BLOB_LIMIT_BYTES


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_a_device_hears_what_it_asks_for_and_the_bytes_are_counted(tmp_path: Path) -> None:
    blobs, raw = BlobStore(tmp_path / "store", BLOB_LIMIT_BYTES), bytes(range(256)) * 1000
    blobs.put(digest_of(raw), raw)

    with fifty_broker.on_the_air(tmp_path, blobs, 1) as air, Spool(tmp_path / "fetch").object("it") as held:
        came = air.devices[0].bring(digest_of(raw), len(raw), air.chunk_bytes, held, lambda: False)
        sent = air.sent_bytes()

    assert came == len(raw)
    assert sent == len(raw)
    assert (tmp_path / "fetch" / "it").read_bytes() == raw
