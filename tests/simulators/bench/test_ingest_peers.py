"""Those that only receive do receive; see test_ingest for all of them in one run."""

from __future__ import annotations

import ssl

import pytest

from surefoot_simulators.bench import ingest_peers


@pytest.mark.parametrize("peer", [ingest_peers.raw, ingest_peers.paho])
def test_a_broker_that_is_not_there_is_an_error(peer: object) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False

    with pytest.raises(OSError):
        peer("127.0.0.1", 1, "svc-server", context, 1)  # type: ignore[operator]
