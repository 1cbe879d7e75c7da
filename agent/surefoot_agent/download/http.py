"""Fill a slot: what either slot holds is linked, the rest comes the cheapest way that works, from the nearest place.

Promises: what arrived stays for the next try, and nothing is fetched twice that was once verified; whatever a pack or a
frame does not bring is fetched as it was signed, so that a download ends well wherever one source is honest; `stop` is
obeyed within a fraction of a second. Memory is a few chunks here, and what `unpack` states in its child. Nothing here
decides what may run: the slot checks every file or block by its signed hash.
Raises Unreachable (lease_expired, busy, too_slow, unreachable) or InstallFailed (artifact_corrupt, artifact_missing,
cancelled_by_order when stopped, and what the slot raises).
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Sequence
from pathlib import Path

from surefoot_agent.download.beside import Beside
from surefoot_agent.download.meter import Meter
from surefoot_agent.download.pace import Pacing
from surefoot_agent.download.packs import PackFiller, span, whole_file
from surefoot_agent.download.places import Kind, Place, Places
from surefoot_agent.download.plan import Able, Plan, Way, plan
from surefoot_agent.download.pour import Cursor, Pour
from surefoot_agent.download.replies import gives_way, whose_fault
from surefoot_agent.download.transfer import Stop, Transfer, nap, obey
from surefoot_agent.ports import Piece, Progress, Say, Slots, TakesFiles, Wish, never, silent
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.messages import Lease, Pack
from surefoot_shared.pack import PACK_LIMIT_BYTES, ZSTD_SUFFIX, Encoding
from surefoot_shared.release import MANIFEST_LIMIT_BYTES, Manifest, SlotKind, digest_of
from surefoot_shared.status import SlotName

log = logging.getLogger(__name__)


class HttpDownloader:
    """Downloader port. One installer thread at a time. Without `beside` everything comes as it was signed."""

    def __init__(
        self,
        slots: Slots,
        ca_file: Path | None,
        pacing: Pacing | None = None,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 30.0,
        beside: Beside | None = None,
    ) -> None:
        self._slots, self._beside = slots, beside
        self._transfer = Transfer(ca_file, pacing, connect_timeout_s, read_timeout_s)
        self._packs = PackFiller(slots, self._transfer, beside.spool, beside.unpacker, beside.air) if beside else None

    def manifest(self, wish: Wish, lease: Lease, stop: Stop = never) -> bytes:
        """Fetch the manifest, as a patch of the one that is here where that is smaller.

        Its size and hash stand in the verified metadata, and nothing but its hash counts. What came of it stays in the
        spool for the next try, as it does of everything else.
        """
        size = wish.manifest_size
        if size > MANIFEST_LIMIT_BYTES:
            raise InstallFailed("artifact_corrupt", f"The manifest has {size} bytes, too many.")
        self._transfer.under(lease)
        places = self._places(lease, (), stop)
        if (made := self._made_manifest(wish, lease, places, stop)) is not None:
            return made
        if self._packs is None or self._packs.spool.room_bytes() < size:
            return self._manifest_at_once(wish, places, stop)
        with self._packs.spool.object(wish.digest) as held:
            self._packs.bring("the manifest", wish.digest, size, places, held, stop)
            raw = b"".join(whole_file(held.handle))
        self._packs.spool.drop(wish.digest)
        return raw

    def _manifest_at_once(self, wish: Wish, places: Places, stop: Stop) -> bytes:
        """Where nothing can be kept on its way."""
        size = wish.manifest_size
        whole = Piece("the manifest", wish.digest, size, 0, size)

        def fetch(place: Place) -> bytes:
            raw = b"".join(self._transfer.chunks(place, places.lease.rate_bytes_per_s, whole, 0, stop))
            if digest_of(raw) != wish.digest:
                raise InstallFailed("artifact_corrupt", "The fetched manifest does not match its signed hash.")
            return raw

        return self._transfer.from_any(places, wish.digest, whole.name, fetch, stop)

    def _made_manifest(self, wish: Wish, lease: Lease, places: Places, stop: Stop) -> bytes | None:
        if self._packs is None or self._beside is None or not lease.manifest_packs:
            return None
        try:
            made = self._packs.manifest(wish.digest, wish.manifest_size, lease.manifest_packs, places, stop)
        finally:
            self._beside.unpacker.close()
        if made is not None:
            log.info("manifest_made assignment=%s bytes=%d", wish.assignment, len(made))
        return made

    def fill(
        self,
        wish: Wish,
        manifest: Manifest,
        slot: SlotName,
        lease: Lease,
        progress: Progress,
        stop: Stop,
        say: Say = silent,
    ) -> None:
        """Put every missing piece in place: from a slot where one holds it, else from the network."""

        def tell(sentence: str) -> None:
            log.info("download assignment=%s says=%s", wish.assignment, sentence)
            say(sentence)

        try:
            self._fill(wish, manifest, slot, lease, progress, stop, tell)
        finally:
            if self._beside is not None:
                self._beside.unpacker.close()  # between downloads it costs no memory

    def forget(self) -> None:
        """Drop what is on its way: the attempt is over."""
        if self._beside is not None:
            self._beside.forget()

    def _fill(
        self, wish: Wish, manifest: Manifest, slot: SlotName, lease: Lease, progress: Progress, stop: Stop, say: Say
    ) -> None:
        self._transfer.under(lease)
        missing = self._slots.missing(slot)
        meter = Meter(manifest.installed_size_bytes, sum(piece.size_bytes for piece in missing), progress)
        pour = Pour(self._slots, slot, meter, say)
        left = self._reused(pour, missing, stop)
        if not left:
            self._tidy((), ())  # what a death left beside a slot that was full
            return
        if lease.wait_s >= 1:
            say(f"It begins in {lease.wait_s:.0f} s, so that not every device begins at once.")
        nap(lease.wait_s, stop)
        self._transfer.arrived = dict.fromkeys(Kind, 0)
        places = self._places(lease, [piece.sha256 for piece in left], stop, say)
        chosen, left = self._by_packs(pour, wish, manifest, left, places, stop)
        frames = {step.name for step in chosen.steps if step.way is Way.COMPRESSED}
        for _, group in itertools.groupby(left, key=self._fetched_together):
            pieces = self._reused(pour, list(group), stop)
            if pieces:
                self._single(pour, pieces[0].sha256, pieces, pieces[0].sha256 in frames, places, stop)
        for piece in pour.last():
            self._plain(pour, piece, places, stop)
        self._tidy((), ())
        say(" ".join((self._account(), *(f"Left {where}: {why}." for where, why in places.left.items()))))

    def _fetched_together(self, piece: Piece) -> str:
        """The runs of one chunk are; a file at a second path is linked once it is there at the first."""
        return piece.name if self._slots.kind is SlotKind.TREE else piece.sha256

    def _reused(self, pour: Pour, pieces: Sequence[Piece], stop: Stop) -> list[Piece]:
        """What no slot holds; the rest is put in place."""
        left: list[Piece] = []
        for piece in pour.left_of(pieces):
            obey(stop)
            found = self._slots.reuse(pour.slot, piece)
            pour.meter.placed(piece.size_bytes - sum(part.size_bytes for part in found))
            left += found
        return left

    # --- packs --------------------------------------------------------------------------------------------------------

    def _by_packs(
        self, pour: Pour, wish: Wish, manifest: Manifest, left: list[Piece], places: Places, stop: Stop
    ) -> tuple[Plan, list[Piece]]:
        """Carry out plans until one has no packs; return it, and what is left to be fetched piece by piece."""
        lease, used = places.lease, self._used_up(places.lease)
        usable = [each for each in lease.packs if each.to_digest == wish.digest and each.size_bytes > 0]
        offered = [each for each in usable if self._packs is not None and each.sha256 not in used]
        zstd = Encoding.ZSTD.value in lease.encodings
        while True:
            held_bytes = manifest.installed_size_bytes - sum(piece.size_bytes for piece in left)
            chosen = plan(left, held_bytes, offered, zstd, self._able(pour, lease), self._here(offered))
            pour.say(" ".join((chosen.sentence(), *chosen.notes)))
            self._tidy(left, {pack.sha256 for pack in chosen.packs} | used)
            if not chosen.packs or self._packs is None:
                return chosen, left
            self._packs.fill(pour, manifest, left, chosen.packs, places, stop)
            left = self._reused(pour, left, stop)
            if not left:
                return Plan(()), left
            offered = [pack for pack in offered if pack.from_digest != chosen.packs[0].from_digest]

    def _able(self, pour: Pour, lease: Lease) -> Able:
        if self._beside is None or not (lease.packs or lease.encodings):
            return Able()  # no child is started for nothing
        ready = self._beside.unpacker.ready()
        room = self._beside.spool.room_bytes()
        return Able(ready.encodings, ready.patches, self._slots.digest(pour.slot.other) or "", room)

    def _here(self, packs: Sequence[Pack]) -> dict[str, int]:
        """What an earlier try left of packs."""
        return {pack.sha256: self._beside.spool.has_bytes(pack.sha256) for pack in packs} if self._beside else {}

    def _used_up(self, lease: Lease) -> set[str]:
        """Packs whose bytes an earlier try put in place."""
        if self._beside is None:
            return set()
        return {pack.sha256 for pack in lease.packs if self._beside.spool.is_used_up(pack.sha256)}

    def _tidy(self, left: Sequence[Piece], packs: Collection[str]) -> None:
        if self._beside is not None:
            singly = {name for piece in left for name in (piece.sha256, piece.sha256 + ZSTD_SUFFIX)}
            self._beside.spool.keep({*packs, *singly})

    # --- single blobs -------------------------------------------------------------------------------------------------

    def _single(
        self, pour: Pour, sha256: str, pieces: Sequence[Piece], framed: bool, places: Places, stop: Stop
    ) -> None:
        """Fetch what is left of one blob: near and as it is, else as a frame, else as it is."""
        obey(stop)
        owed = None
        if places.caches:
            if self._near(pour, pieces, places, stop):
                return
            owed = self._transfer.owed
        if framed:
            self._frame(pour, sha256, pour.left_of(pieces), places, stop)
        for piece in pour.left_of(pieces):
            self._plain(pour, piece, places, stop, (Kind.STORE, Kind.SOURCE))
        if owed is not None:
            self._bring(pour, owed, sha256, stop)

    def _near(self, pour: Pour, pieces: Sequence[Piece], places: Places, stop: Stop) -> bool:
        """Ask the caches of the site alone; False where none has it."""
        try:
            for piece in pieces:
                self._plain(pour, piece, places, stop, (Kind.CACHE,))
        except (InstallFailed, Unreachable) as error:
            if not whose_fault(error):
                raise
            return False
        return True

    def _frame(self, pour: Pour, sha256: str, pieces: Sequence[Piece], places: Places, stop: Stop) -> None:
        assert self._beside is not None  # who plans frames can unpack them
        name, spool = sha256 + ZSTD_SUFFIX, self._beside.spool
        if not pieces or pieces[0].blob_bytes > spool.room_bytes() + spool.has_bytes(name):
            return  # without room on its way it comes as it was signed, straight into the slot
        size = pieces[0].blob_bytes
        rate = places.lease.rate_bytes_per_s
        with self._beside.spool.object(name) as held:
            had = held.size_bytes

            def fetch(place: Place) -> None:
                self._transfer.into(place, rate, name, held, PACK_LIMIT_BYTES, stop)

            try:
                self._transfer.from_any(places, name, pieces[0].name, fetch, stop)
                with self._beside.unpacker.stream(held.handle, Encoding.ZSTD, size, stop) as unpacked:
                    pour.into(pieces, Cursor(0, unpacked.part(size)))
                held.spend()
            except (InstallFailed, Unreachable) as error:
                if not gives_way(error, held.size_bytes - had):
                    raise
                if error.kind != "artifact_missing":
                    pour.say(error.message)
        self._beside.spool.drop(name)

    def _plain(self, pour: Pour, piece: Piece, places: Places, stop: Stop, kinds: Sequence[Kind] = tuple(Kind)) -> None:
        def write(place: Place) -> None:
            rate = places.lease.rate_bytes_per_s
            pour.write(piece, lambda offset: self._transfer.chunks(place, rate, piece, offset, stop))

        try:
            self._transfer.from_any(places.only(kinds), piece.sha256, piece.name, write, stop)
        except (InstallFailed, Unreachable) as error:
            packs = self._packs
            if kinds == (Kind.CACHE,) or packs is None or not packs.heard(places, error):
                raise
            if not self._is_there(pour, piece):
                self._from_the_air(pour, piece, packs, places, stop)

    def _from_the_air(self, pour: Pour, piece: Piece, packs: PackFiller, places: Places, stop: Stop) -> None:
        """Have the whole blob in the spool; where it can be moved from there into the slot, it needs its room once."""
        with packs.spool.object(piece.sha256) as held:
            packs.from_the_air(piece.name, piece.sha256, piece.blob_bytes, places, held, stop)
            if isinstance(self._slots, TakesFiles) and piece.size_bytes == piece.blob_bytes:
                self._slots.take(pour.slot, piece, packs.spool.path(piece.sha256))
            pour.write(piece, lambda offset: span(held.handle, offset, piece.end - offset))
        packs.spool.drop(piece.sha256)

    def _is_there(self, pour: Pour, piece: Piece) -> bool:
        """Whether the whole was moved into the slot before a death, and has its place now."""
        if not isinstance(self._slots, TakesFiles):
            return False
        try:
            pour.write(piece, lambda _offset: ())
        except (InstallFailed, Unreachable) as error:
            if not whose_fault(error):
                raise
            return False
        return True

    def _bring(self, pour: Pour, cache: Place, sha256: str, stop: Stop) -> None:
        """Give the cache a whole file that it asked for, from the slot where it was just verified."""
        if self._slots.kind is not SlotKind.TREE:
            return
        for piece in pour.done:
            if piece.sha256 == sha256 and piece.size_bytes == piece.blob_bytes:
                with open(self._slots.path(pour.slot) / piece.name, "rb", buffering=0) as file:
                    content = span(file.fileno(), 0, piece.blob_bytes)
                    self._transfer.bring(cache, sha256, piece.blob_bytes, content, stop)
                return

    # --- the rest -----------------------------------------------------------------------------------------------------

    def _places(self, lease: Lease, upcoming: Sequence[str], stop: Stop, say: Say = silent) -> Places:
        beside = self._beside
        caches, mint = (beside.caches(), beside.mint) if beside else ((), None)
        return Places(lease, caches, mint, upcoming, over=lambda: stop() or self._transfer.is_over(), say=say)

    def _account(self) -> str:
        came = {kind: size for kind, size in self._transfer.arrived.items() if size}
        words = ", ".join(f"{size} bytes from {kind.words}" for kind, size in came.items())
        return f"Fetched {words}." if words else "Nothing was fetched."
