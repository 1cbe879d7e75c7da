"""Ask the server for addresses in the object storage that holds the blobs.

Promises: the lease's token goes to the server alone, over TLS alone; what comes back is addresses of the network, for
names that were asked for, and nothing else of it is looked at. Raises ConfigError, Unreachable or Invalid.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from surefoot_agent import https
from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.messages import Lease

ANSWER_LIMIT_BYTES = 1024 * 1024
"""A thousand addresses of the longest that storages sign."""


def mint(ca_file: Path, lease: Lease, names: Sequence[str]) -> Mapping[str, str]:
    """Return the addresses of these names; a name that the storage does not hold is missing."""
    token = lease.sources[0].token if lease.sources else ""
    if not lease.mint_url.startswith("https://") or not token:
        raise Invalid("malformed", "The lease names no place that mints addresses over TLS.")
    body = json.dumps({"names": list(names)}).encode()
    headers = {"Authorization": f"Bearer {token}"}
    _, raw = https.ask(lease.mint_url, ca_file, "", body, headers, ANSWER_LIMIT_BYTES)
    urls = wire.parse(raw, ANSWER_LIMIT_BYTES).get("urls")
    if not isinstance(urls, dict):
        raise Invalid("malformed", "The server answers with no addresses.")
    return {name: str(url) for name, url in urls.items() if name in names and _of_the_network(url)}


def _of_the_network(url: object) -> bool:
    return isinstance(url, str) and url.startswith(("https://", "http://"))
