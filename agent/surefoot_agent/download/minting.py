"""Ask the server for addresses in the object storage that holds the blobs.

Promises: the lease's token goes to the server alone, over TLS alone; what comes back is addresses of the network, for
names that were asked for, and nothing else of it is looked at. It takes no longer than `TOTAL_S` in all, however slowly
the server answers, and ends at once where `over` says so. Raises ConfigError, Unreachable or Invalid.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from surefoot_agent import https
from surefoot_agent.ports import never
from surefoot_shared import wire
from surefoot_shared.errors import Invalid, Unreachable
from surefoot_shared.messages import Lease

ANSWER_LIMIT_BYTES = 1024 * 1024
"""A thousand addresses of the longest that storages sign."""
TOTAL_S = 20.0
"""From the first packet to the last; the sources themselves are asked then, which need no addresses."""


def mint(
    ca_file: Path, lease: Lease, names: Sequence[str], over: Callable[[], bool] = never, total_s: float = TOTAL_S
) -> Mapping[str, str]:
    """Return the addresses of these names; a name that the storage does not hold is missing."""
    token = next((source.token for source in lease.sources if lease.mint_url.startswith(source.url)), "")
    if not lease.mint_url.startswith("https://") or not token:
        raise Invalid("malformed", "The lease names no place that mints addresses over TLS.")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    raw = _asked(ca_file, lease.mint_url, json.dumps({"names": list(names)}).encode(), headers, over, total_s)
    urls = wire.parse(raw, ANSWER_LIMIT_BYTES).get("urls")
    if not isinstance(urls, dict):
        raise Invalid("malformed", "The server answers with no addresses.")
    return {name: str(url) for name, url in urls.items() if name in names and _of_the_network(url)}


def _asked(
    ca_file: Path, url: str, body: bytes, headers: Mapping[str, str], over: Callable[[], bool], total_s: float
) -> bytes:
    from urllib3.exceptions import HTTPError  # the HTTP library takes no memory until the first download

    from surefoot_agent.download.connection import Line, make_pool, watched

    line, until = Line(), time.monotonic() + total_s
    pool = make_pool(ca_file, line, total_s, total_s)
    try:
        with watched(line, lambda: over() or time.monotonic() > until):
            reply = pool.request("POST", url, body=body, headers=headers, redirect=False, preload_content=False)
            raw = reply.read(ANSWER_LIMIT_BYTES + 1, decode_content=False)
            line_was_cut = line.was_cut  # an answer without a length would seem to have ended
    except (HTTPError, OSError) as error:
        if line.was_cut or time.monotonic() > until:
            raise _too_slow(total_s) from error
        raise Unreachable("unreachable", f"The server cannot be reached: {type(error).__name__}.") from error
    finally:
        pool.clear()
    if line_was_cut:
        raise _too_slow(total_s)
    if reply.status != 200:
        after = reply.headers.get("Retry-After", "")
        raise https.refusal(reply.status, after, raw[: https.ANSWER_LIMIT_BYTES])
    return raw


def _too_slow(total_s: float) -> Unreachable:
    return Unreachable("too_slow", f"The server gave no whole answer within {total_s:g} s.")


def _of_the_network(url: object) -> bool:
    return isinstance(url, str) and url.startswith(("https://", "http://"))
