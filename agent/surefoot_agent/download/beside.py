"""What a download may use besides the sources of its lease: spool, unpacking child, caches, minted addresses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from surefoot_agent.config import Settings
from surefoot_agent.download import discovery
from surefoot_agent.download.air import Air
from surefoot_agent.download.minting import mint
from surefoot_agent.download.places import Mint
from surefoot_agent.download.spool import Spool
from surefoot_agent.download.unpack import Unpacker
from surefoot_shared.messages import Source

log = logging.getLogger(__name__)


def no_caches() -> Sequence[Source]:
    return ()


def caches_of(settings: Settings) -> Sequence[Source]:
    """The caches that were configured, then those that answer on this site's network."""
    named = settings.caches.split()
    found = discovery.look() if settings.cache_discovery == "on" else ()
    return tuple(Source(url, "") for url in dict.fromkeys((*named, *found)))


@dataclass(frozen=True)
class Beside:
    """`caches` are asked anew for each download: they come and go."""

    spool: Spool
    unpacker: Unpacker
    caches: Callable[[], Sequence[Source]] = no_caches
    mint: Mint | None = None
    air: Air | None = None

    def forget(self) -> None:
        """Drop what is on its way; a disk that refuses keeps it until the next download tidies up."""
        try:
            self.spool.keep(())
        except OSError as error:
            log.warning("spool_not_emptied error=%s", error.strerror)


def beside_of(settings: Settings, component: str, ca_file: Path, air: Air | None = None) -> Beside:
    """The spool lies in the agent's own folder, also where the slots are another user's."""
    spool = Spool(settings.state_dir / "fetch" / component, settings.reserve_bytes)
    return Beside(spool, Unpacker(), partial(caches_of, settings), partial(mint, ca_file), air)
