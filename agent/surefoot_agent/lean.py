"""Go without what libraries would load for others; start a child so: `python -I -m surefoot_agent.lean NAME`.

The library of TUF imports an HTTP client, and every cloud's and token's signing library that it finds on the machine.
A child verifies bytes that it was given: without them it starts two to three times as fast, in two thirds of the
memory, and holds no code that could open a connection. Importing this changes nothing: only whoever owns the process
may say what it goes without.
"""

from __future__ import annotations

import sys
from types import ModuleType

SIGNERS = ("azure", "boto3", "google.cloud", "hvac", "pkcs11", "sigstore", "tkey")
"""Libraries of signers; securesystemslib goes without each that cannot be imported."""
FETCHER = "tuf.ngclient.urllib3_fetcher"


class NoFetcher:
    """Stands where python-tuf keeps its own fetcher: ours serves what the bundle brought."""

    def __init__(self) -> None:
        raise RuntimeError("a verification child fetches nothing")


def leave_out_signers() -> None:
    """Let none of them be imported in this process any more: a device signs with its own key alone."""
    for name in SIGNERS:
        sys.modules[name] = None  # type: ignore[assignment]  # the import system's way to say that there is none


def leave_out() -> None:
    """Let neither a signer nor an HTTP client be imported in this process any more."""
    leave_out_signers()
    fetcher = ModuleType(FETCHER)
    vars(fetcher)["Urllib3Fetcher"] = NoFetcher
    sys.modules[FETCHER] = fetcher


def main() -> None:
    """Run the module of this package that the first word names; the other words are its own."""
    import runpy  # for a child alone; the agent's own commands read this module too

    leave_out()
    del sys.argv[0]
    runpy.run_module(f"{__package__}.{sys.argv[0]}", run_name="__main__")


if __name__ == "__main__":
    main()
