from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.slots.label import Labels
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import digest_of
from surefoot_shared.status import SlotName
from tests.agent.images import image_release

A, B = SlotName.A, SlotName.B
MADE = image_release(b"\1" * 4096)


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    return Labels(tmp_path / "slots")


def sealed(labels: Labels) -> Labels:
    labels.write(B, MADE.manifest, MADE.raw)
    labels.seal(B)
    return labels


def test_a_sealed_slot_is_whole_and_the_other_is_not(labels: Labels) -> None:
    content = sealed(labels).whole(B)

    assert content is not None
    assert (content.digest, content.manifest, labels.whole(A)) == (digest_of(MADE.raw), MADE.manifest, None)


def test_without_its_seal_a_slot_is_only_remembered(labels: Labels) -> None:
    sealed(labels).unseal(B)

    assert labels.whole(B) is None
    assert labels.remembered(B) is not None


def test_a_slot_without_a_manifest_is_not_remembered(labels: Labels) -> None:
    sealed(labels).forget(B)

    assert (labels.whole(B), labels.remembered(B)) == (None, None)
    with pytest.raises(InstallFailed, match="no manifest"):
        labels.content(B)


@pytest.mark.parametrize("damage", ["seal", "manifest", "garbage", "no object"])
def test_seal_and_manifest_that_disagree_mean_nothing_is_whole(labels: Labels, tmp_path: Path, damage: str) -> None:
    sealed(labels)
    seal, manifest = tmp_path / "slots" / "B.sealed", tmp_path / "slots" / "B.manifest"
    contents = {"seal": b'{"digest": "00"}', "manifest": MADE.raw + b" ", "garbage": b"\0" * 9, "no object": b"[]"}
    (manifest if damage == "manifest" else seal).write_bytes(contents[damage])

    assert labels.whole(B) is None


def test_a_manifest_that_cannot_be_parsed_is_not_remembered(labels: Labels, tmp_path: Path) -> None:
    (tmp_path / "slots" / "B.manifest").write_bytes(b"{}")

    assert (labels.remembered(B), labels.whole(B)) == (None, None)


def test_the_same_manifest_is_not_written_again(labels: Labels, tmp_path: Path) -> None:
    labels.write(B, MADE.manifest, MADE.raw)
    before = (tmp_path / "slots" / "B.manifest").stat().st_ino

    labels.write(B, MADE.manifest, MADE.raw)

    assert (tmp_path / "slots" / "B.manifest").stat().st_ino == before
    assert labels.content(B).manifest is MADE.manifest, "never parsed, and in memory once"


def test_what_another_process_wrote_is_read_anew(labels: Labels, tmp_path: Path) -> None:
    labels.write(B, MADE.manifest, MADE.raw)
    other = image_release(b"\2" * 4096)
    Labels(tmp_path / "slots").write(B, other.manifest, other.raw)

    assert labels.content(B).manifest == other.manifest


def test_files_left_behind_by_a_kill_are_swept(labels: Labels, tmp_path: Path) -> None:
    stray = tmp_path / "slots" / "B.manifest.1.2.tmp"
    stray.write_bytes(b"x")

    labels.write(B, MADE.manifest, MADE.raw)

    assert not stray.exists()
