"""How this device checks whom it speaks to: one TLS context for the broker, the server and every download.

Promises: TLS 1.2 or newer, the given authorities and nothing else, the host name. The dates of certificates count where
a time service vouches for this machine's clock. Where none does they do not: a camera that wakes up in 1970, or ten
years ahead, could otherwise never hear the server, which alone can tell it the time. Nothing that is installed rests on
TLS: releases, halts and times are signed by themselves. Raises OSError or ValueError where a file cannot be read.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from surefoot_agent import clock

NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which Python has no name."""


def context(
    ca_file: Path | None, cert_file: Path | None = None, key_file: Path | None = None, *, vouched: bool | None = None
) -> ssl.SSLContext:
    """Trust `ca_file` (None: the system's authorities) and show the pair where one is given."""
    made = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if not (clock.SYNCHRONISED.exists() if vouched is None else vouched):
        made.verify_flags |= NO_CHECK_TIME
    if cert_file is not None:
        made.load_cert_chain(cert_file, key_file)
    return made
