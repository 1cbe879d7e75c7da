"""How long a device takes from the assignment to the committed release, without the soak that the release demands.

Promises: one real device, three updates in a row, the median; times are the server's, from the row it wrote when it
made the assignment to the row it wrote when the signed outcome arrived. What is left after the soak is delivery,
verification, download, sealing, switch, and the start-up checks of the application.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from surefoot_shared.errors import InstallFailed
from surefoot_simulators.bench.figures import Figure
from surefoot_simulators.bench.site import Attempt, running_site

GOAL_S = 10.0
"""An operator who watches a canary on one device should not have time to fetch coffee."""
VERSIONS = (("1.1", 101), ("1.2", 102), ("1.3", 103))
SOAK_S = 2.0


def measure(work: Path, say: Callable[[str], None]) -> Sequence[Figure]:
    """Raise InstallFailed where an update is not committed."""
    seconds = []
    with running_site(work, soak_s=SOAK_S) as site:
        for version, counter in VERSIONS:
            site.publish(version, counter)
            (attempt,) = site.update(version)
            seconds.append(without_soak(attempt))
            say(f"{version} committed after {attempt.seconds:.2f} s, of which {attempt.soak_s:.2f} s soak")
    spread = (
        f"{min(seconds):.2f} to {max(seconds):.2f} s in {len(seconds)} updates; the camera tree, over TLS, one device"
    )
    return [Figure("assignment to committed, without the soak", median(seconds), "s", GOAL_S, note=spread)]


def without_soak(attempt: Attempt) -> float:
    """Seconds of a committed attempt but its soak; an attempt that ended otherwise has no figure."""
    if attempt.outcome != "committed":
        raise InstallFailed(
            attempt.reason or "boot_failed", f"{attempt.device} ended {attempt.outcome}, not committed."
        )
    return attempt.seconds - attempt.soak_s
