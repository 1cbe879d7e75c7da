"""What every kind of slots promises, as tests that each adapter's test module inherits (STYLE 16)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import pytest

from surefoot_agent.ports import Piece, Slots
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.release import Manifest, SlotKind, digest_of, manifest_bytes
from surefoot_shared.status import SlotName
from tests.agent.images import image_release
from tests.agent.trees import release

A, B = SlotName.A, SlotName.B
OTHER_KIND = {
    SlotKind.TREE: image_release(b"\1" * 4096).manifest,
    SlotKind.IMAGE: release({"bin/camera": b"x"}),
}


@dataclass(frozen=True)
class Offer:
    """A release and every blob of it."""

    manifest: Manifest
    blobs: dict[str, bytes]

    @property
    def raw(self) -> bytes:
        return manifest_bytes(self.manifest)

    def source(self, piece: Piece, offset: int) -> Iterable[bytes]:
        whole = self.blobs[piece.sha256][offset : piece.end]
        return (whole[at : at + 3_000] for at in range(0, len(whole), 3_000))


class SlotsContract:
    """Give `slots` on an empty device, `offers`: two releases that share some of their bytes, and `damage`."""

    def damage(self, slots: Slots, slot: SlotName, offer: Offer) -> None:
        """Change one byte of what the slot holds, without the slots' knowledge."""
        raise NotImplementedError

    def reopened(self, slots: Slots) -> Slots:
        """The slots as another process finds them."""
        raise NotImplementedError

    def fill(self, slots: Slots, slot: SlotName, offer: Offer) -> list[Piece]:
        slots.begin(slot, offer.manifest, offer.raw)
        fetched = [left for piece in slots.missing(slot) for left in self.filled(slots, slot, piece, offer)]
        assert list(slots.missing(slot)) == []
        return fetched

    def filled(self, slots: Slots, slot: SlotName, piece: Piece, offer: Offer) -> list[Piece]:
        left = list(slots.reuse(slot, piece))
        for part in left:
            slots.write(slot, part, partial(offer.source, part))
        return left

    def install(self, slots: Slots, slot: SlotName, offer: Offer) -> list[Piece]:
        fetched = self.fill(slots, slot, offer)
        slots.seal(slot)
        return fetched

    def test_a_new_device_has_nothing_installed(self, slots: Slots) -> None:
        assert [(slots.installed(slot), slots.digest(slot)) for slot in SlotName] == [(None, None)] * 2

    def test_a_sealed_slot_is_known_by_its_release_in_every_process(self, slots: Slots, offers: list[Offer]) -> None:
        self.install(slots, B, offers[0])

        for seen in (slots, self.reopened(slots)):
            assert (seen.installed(B), seen.digest(B)) == (offers[0].manifest, digest_of(offers[0].raw))
            assert seen.installed(A) is None

    def test_a_slot_is_not_installed_before_it_was_read_back(self, slots: Slots, offers: list[Offer]) -> None:
        self.fill(slots, B, offers[0])

        assert (slots.installed(B), slots.digest(B)) == (None, None)

    def test_beginning_takes_the_seal_away(self, slots: Slots, offers: list[Offer]) -> None:
        self.install(slots, B, offers[0])

        slots.begin(B, offers[1].manifest, offers[1].raw)

        assert self.reopened(slots).installed(B) is None

    def test_what_is_missing_names_only_blobs_of_the_release(self, slots: Slots, offers: list[Offer]) -> None:
        slots.begin(B, offers[0].manifest, offers[0].raw)

        pieces = [piece for piece in slots.missing(B) if piece.size_bytes]

        assert {piece.sha256 for piece in pieces} <= offers[0].manifest.blobs.keys()
        assert all(0 <= p.begin <= p.end <= p.blob_bytes == offers[0].manifest.blobs[p.sha256] for p in pieces)

    def test_beginning_again_keeps_what_is_in_place(self, slots: Slots, offers: list[Offer]) -> None:
        slots.begin(B, offers[0].manifest, offers[0].raw)
        first, *rest = slots.missing(B)
        self.filled(slots, B, first, offers[0])

        slots.begin(B, offers[0].manifest, offers[0].raw)

        assert [piece.name for piece in slots.missing(B)] == [piece.name for piece in rest]

    def test_a_piece_may_be_written_twice(self, slots: Slots, offers: list[Offer]) -> None:
        slots.begin(B, offers[0].manifest, offers[0].raw)
        for piece in slots.missing(B):
            for left in [*self.filled(slots, B, piece, offers[0])] * 2:
                slots.write(B, left, partial(offers[0].source, left))

        slots.seal(B)

        assert slots.digest(B) == digest_of(offers[0].raw)

    def test_an_interrupted_piece_goes_on_and_asks_for_nothing_twice(self, slots: Slots, offers: list[Offer]) -> None:
        slots.begin(B, offers[0].manifest, offers[0].raw)
        piece = max(slots.missing(B), key=lambda p: p.size_bytes)
        asked: list[int] = []

        def torn(offset: int) -> Iterable[bytes]:
            asked.append(offset)
            yield offers[0].blobs[piece.sha256][offset : min(offset + 5_000, piece.end)]
            raise Unreachable("unreachable", "cut")

        for _ in range(2):
            with pytest.raises(Unreachable):
                slots.write(B, piece, torn)
        slots.write(B, piece, partial(offers[0].source, piece))

        assert piece.begin == asked[0] < asked[1]

    @pytest.mark.parametrize("wrong", ["other bytes", "more bytes", "no end"])
    def test_bytes_that_were_not_signed_are_refused(self, slots: Slots, offers: list[Offer], wrong: str) -> None:
        slots.begin(B, offers[0].manifest, offers[0].raw)
        piece = max(slots.missing(B), key=lambda p: p.size_bytes)
        right = offers[0].blobs[piece.sha256][piece.begin : piece.end]
        bodies: dict[str, Iterable[bytes]] = {
            "other bytes": [bytes([right[0] ^ 1]) + right[1:]],
            "more bytes": [right + b"x"],
            "no end": (b"x" * 1_000 for _ in iter(int, 1)),
        }

        with pytest.raises(InstallFailed) as caught:
            slots.write(B, piece, lambda offset: bodies[wrong])

        assert caught.value.kind == "artifact_corrupt"
        slots.write(B, piece, partial(offers[0].source, piece))

    def test_a_source_that_ends_early_is_worth_another_try(self, slots: Slots, offers: list[Offer]) -> None:
        slots.begin(B, offers[0].manifest, offers[0].raw)
        piece = max(slots.missing(B), key=lambda p: p.size_bytes)

        with pytest.raises(Unreachable):
            slots.write(B, piece, lambda offset: [b""])

    def test_what_the_other_slot_holds_is_not_fetched(self, slots: Slots, offers: list[Offer]) -> None:
        self.install(slots, A, offers[0])

        assert self.install(slots, B, offers[0]) == []

    def test_what_changed_is_all_that_is_fetched(self, slots: Slots, offers: list[Offer]) -> None:
        whole = sum(piece.size_bytes for piece in self.install(slots, A, offers[0]))

        fetched = self.install(slots, B, offers[1])

        assert 0 < sum(piece.size_bytes for piece in fetched) < whole
        assert slots.digest(B) == digest_of(offers[1].raw)

    def test_what_rotted_in_the_other_slot_is_fetched(self, slots: Slots, offers: list[Offer]) -> None:
        self.install(slots, A, offers[0])
        self.damage(slots, A, offers[0])

        assert self.install(slots, B, offers[0]) != []
        assert slots.digest(B) == digest_of(offers[0].raw)

    def test_a_slot_that_does_not_read_back_is_not_sealed_and_heals(self, slots: Slots, offers: list[Offer]) -> None:
        self.fill(slots, B, offers[0])
        self.damage(slots, B, offers[0])

        with pytest.raises(InstallFailed) as caught:
            slots.seal(B)

        assert (caught.value.kind, slots.installed(B)) == ("slot_corrupt", None)
        again = self.install(slots, B, offers[0])
        assert slots.digest(B) == digest_of(offers[0].raw)
        assert 0 < sum(p.size_bytes for p in again) <= sum(offers[0].manifest.blobs.values())

    def test_sealing_after_a_restart_reads_everything_first(self, slots: Slots, offers: list[Offer]) -> None:
        self.fill(slots, B, offers[0])
        self.damage(slots, B, offers[0])

        with pytest.raises(InstallFailed, match="not as signed"):
            self.reopened(slots).seal(B)

    def test_a_slot_that_lacks_a_piece_is_not_sealed(self, slots: Slots, offers: list[Offer]) -> None:
        slots.begin(B, offers[0].manifest, offers[0].raw)
        self.filled(slots, B, slots.missing(B)[0], offers[0])

        with pytest.raises(InstallFailed) as caught:
            slots.seal(B)

        assert (caught.value.kind, slots.installed(B)) == ("slot_corrupt", None)

    def test_a_cleared_slot_holds_nothing_and_can_be_filled_again(self, slots: Slots, offers: list[Offer]) -> None:
        self.install(slots, B, offers[0])

        slots.clear(B)
        slots.clear(B)

        assert slots.installed(B) is None
        self.install(slots, B, offers[1])
        assert slots.digest(B) == digest_of(offers[1].raw)

    def test_the_other_slot_is_never_touched(self, slots: Slots, offers: list[Offer]) -> None:
        self.install(slots, A, offers[0])

        self.install(slots, B, offers[1])
        slots.clear(B)

        assert slots.digest(A) == digest_of(offers[0].raw)
        slots.begin(A, offers[0].manifest, offers[0].raw)
        assert list(slots.missing(A)) == [], "read back, not believed"

    def test_a_release_of_another_kind_is_refused_before_anything_changes(
        self, slots: Slots, offers: list[Offer]
    ) -> None:
        self.install(slots, B, offers[0])
        other = OTHER_KIND[slots.kind]

        with pytest.raises(InstallFailed) as caught:
            slots.begin(B, other, manifest_bytes(other))

        assert (caught.value.kind, slots.digest(B)) == ("wrong_slot_kind", digest_of(offers[0].raw))

    def test_what_cannot_fit_is_said_before_the_first_byte(self, slots: Slots) -> None:
        with pytest.raises(InstallFailed) as caught:
            slots.room(1 << 43, 1, B)

        assert caught.value.kind == "no_space"
        slots.room(4096, 1, B)
