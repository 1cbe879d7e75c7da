"""Building a release: the same input gives the same digest; a failure leaves nothing behind."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot_server.releases.build import build_release, read_release
from surefoot_server.releases.recipe import Recipe
from surefoot_shared.errors import Conflict, Invalid, UntrustedRelease
from surefoot_shared.release import (
    Application,
    CheckKind,
    DataHandling,
    HealthCheck,
    SlotKind,
    digest_of,
    parse_manifest,
)

RECIPE = Recipe("app", "1.1", 101, hw=("rpi5", "jetson-orin"), application=Application(("bin/count",)))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return made(tmp_path / "tree", ["bin/count", "data/a", "data/b"])


def made(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
        (folder / name).chmod(0o755 if name.startswith("bin") else 0o644)
    return folder


def test_the_release_holds_the_manifest_and_every_blob_by_its_hash(tmp_path: Path, tree: Path) -> None:
    release = build_release(tree, RECIPE, tmp_path / "out")

    manifest = parse_manifest((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest == release.manifest
    assert release.digest == digest_of(release.raw)
    assert {path.name for path in (tmp_path / "out" / "blobs").iterdir()} == {file.sha256 for file in manifest.files}
    assert all(digest_of(release.blob(file.sha256).read_bytes()) == file.sha256 for file in manifest.files)


def test_the_same_input_gives_the_same_digest_in_any_folder_order_and_time(tmp_path: Path, tree: Path) -> None:
    other = made(tmp_path / "other", ["data/b", "data/a", "bin/count"])
    os.utime(other / "data" / "a", (0, 0))
    reordered = dataclasses.replace(RECIPE, hw=("jetson-orin", "rpi5", "rpi5"))

    first, second = build_release(tree, RECIPE, tmp_path / "1"), build_release(other, reordered, tmp_path / "2")

    assert first.raw == second.raw


@pytest.mark.parametrize("change", [{"version": "1.2"}, {"counter": 102}, {"hw": ("rpi5",)}, {"notes": "n"}])
def test_any_change_gives_another_digest(tmp_path: Path, tree: Path, change: dict[str, object]) -> None:
    first = build_release(tree, RECIPE, tmp_path / "1")
    second = build_release(tree, dataclasses.replace(RECIPE, **change), tmp_path / "2")  # type: ignore[arg-type]

    assert first.digest != second.digest


def test_files_with_equal_content_share_one_blob(tmp_path: Path, tree: Path) -> None:
    (tree / "data" / "b").write_text("data/a")

    build_release(tree, RECIPE, tmp_path / "out")

    assert len(list((tmp_path / "out" / "blobs").iterdir())) == 2


@pytest.mark.parametrize("missing", ["component", "version", "counter", "hw"])
def test_what_neither_recipe_nor_command_line_says_is_asked_for(tmp_path: Path, tree: Path, missing: str) -> None:
    recipe = dataclasses.replace(RECIPE, **{missing: () if missing == "hw" else None})

    with pytest.raises(Invalid, match=missing.replace("hw", "hardware")):
        build_release(tree, recipe, tmp_path / "out")


@pytest.mark.parametrize("argv", [("bin/other",), ("data/a",)])
def test_an_application_that_is_not_an_executable_of_the_tree_is_refused(
    tmp_path: Path, tree: Path, argv: tuple[str, ...]
) -> None:
    recipe = dataclasses.replace(RECIPE, application=Application(argv))

    with pytest.raises(Invalid, match=argv[0]):
        build_release(tree, recipe, tmp_path / "out")


@pytest.mark.parametrize("which", ["forward", "backward", "irreversible"])
def test_a_migration_that_is_not_an_executable_of_the_tree_is_refused(tmp_path: Path, tree: Path, which: str) -> None:
    recipe = dataclasses.replace(RECIPE, data=DataHandling(**{which: ("bin/migrate",)}))  # type: ignore[arg-type]

    with pytest.raises(Invalid, match="bin/migrate"):
        build_release(tree, recipe, tmp_path / "out")


@pytest.mark.parametrize("change", [{"counter": 0}, {"svn": -1}, {"version": "1 1"}, {"component": "App"}])
def test_a_malformed_value_is_refused(tmp_path: Path, tree: Path, change: dict[str, object]) -> None:
    with pytest.raises(Invalid, match="cannot be built"):
        build_release(tree, dataclasses.replace(RECIPE, **change), tmp_path / "out")  # type: ignore[arg-type]


def test_a_refused_tree_leaves_nothing_behind(tmp_path: Path, tree: Path) -> None:
    (tree / "link").symlink_to("bin/count")

    with pytest.raises(Invalid):
        build_release(tree, RECIPE, tmp_path / "out")

    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_a_manifest_that_no_device_reads_leaves_nothing_behind(tmp_path: Path, tree: Path) -> None:
    with pytest.raises(Invalid, match="does not fit 64 bits"):
        build_release(tree, dataclasses.replace(RECIPE, counter=1 << 64), tmp_path / "out")

    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_an_existing_folder_is_not_overwritten(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "out").mkdir()

    with pytest.raises(Conflict):
        build_release(tree, RECIPE, tmp_path / "out")


def test_a_release_cannot_be_built_into_its_own_tree(tree: Path) -> None:
    with pytest.raises(Invalid, match="contain itself"):
        build_release(tree, RECIPE, tree / "out")


@pytest.mark.parametrize("damage", ["no manifest", "junk manifest", "no blob"])
def test_a_damaged_release_folder_is_refused(tmp_path: Path, tree: Path, damage: str) -> None:
    release = build_release(tree, RECIPE, tmp_path / "out")
    blob = release.blob(release.manifest.files[0].sha256)
    match damage:
        case "no manifest":
            (tmp_path / "out" / "manifest.json").unlink()
        case "junk manifest":
            (tmp_path / "out" / "manifest.json").write_bytes(b"{}")
        case _:
            blob.unlink()

    with pytest.raises(Invalid):
        read_release(tmp_path / "out")


@pytest.mark.parametrize("harm", [lambda raw: raw[:-1], lambda raw: bytes([raw[0] ^ 1]) + raw[1:]], ids=["cut", "bent"])
def test_a_file_that_is_not_what_was_built_is_named(tmp_path: Path, tree: Path, harm: Callable[[bytes], bytes]) -> None:
    release = build_release(tree, RECIPE, tmp_path / "out")
    file = release.manifest.files[0]
    blob = release.blob(file.sha256)
    blob.write_bytes(harm(blob.read_bytes()))

    with pytest.raises(UntrustedRelease, match=file.path) as refused:
        read_release(tmp_path / "out")

    assert refused.value.kind == "artifact_corrupt"


IMAGE_RECIPE = Recipe("rootfs", "7", 700, hw=("rpi5",))


def disk(folder: Path, size: int = 1 << 20) -> Path:
    path = folder / "root.ext4"
    path.write_bytes(os.urandom(size))
    return path


def test_a_file_becomes_the_release_of_an_image(tmp_path: Path) -> None:
    release = build_release(disk(tmp_path), IMAGE_RECIPE, tmp_path / "out")

    assert (release.manifest.slot, release.manifest.files) == (SlotKind.IMAGE, ())
    assert {path.name for path in (tmp_path / "out" / "blobs").iterdir()} == set(release.manifest.blobs)
    assert release.manifest.installed_size_bytes == 1 << 20


def test_the_same_image_gives_the_same_digest(tmp_path: Path) -> None:
    path = disk(tmp_path)

    first, second = (build_release(path, IMAGE_RECIPE, tmp_path / name) for name in "12")

    assert first.raw == second.raw


def test_an_image_starts_no_application(tmp_path: Path) -> None:
    recipe = dataclasses.replace(IMAGE_RECIPE, application=Application(("bin/count",)))

    with pytest.raises(Invalid, match="no \\[application\\]"):
        build_release(disk(tmp_path), recipe, tmp_path / "out")


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_a_release_folder_that_lost_a_chunk_is_refused(tmp_path: Path, damage: str) -> None:
    release = build_release(disk(tmp_path), IMAGE_RECIPE, tmp_path / "out")
    (blob,) = (release.blob(name) for name in release.manifest.blobs)
    blob.unlink() if damage == "missing" else blob.write_bytes(b"")

    with pytest.raises((Invalid, UntrustedRelease), match="missing in" if damage == "missing" else "cut short"):
        read_release(tmp_path / "out")


def test_something_that_is_not_there_is_called_no_folder(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="is not a folder"):
        build_release(tmp_path / "gone", RECIPE, tmp_path / "out")


def test_a_metric_check_that_nothing_bounds_is_not_built(tmp_path: Path, tree: Path) -> None:
    check = HealthCheck("latency", CheckKind.METRIC, params={"metric": "inference_p95_s"})

    with pytest.raises(Invalid, match="latency: params has no bound"):
        build_release(tree, dataclasses.replace(RECIPE, checks=(check,)), tmp_path / "out")

    bounded = dataclasses.replace(check, params={**check.params, "max": 0.2})
    build_release(tree, dataclasses.replace(RECIPE, checks=(bounded,)), tmp_path / "out")


def test_a_disk_that_becomes_full_is_told_in_a_sentence_and_nothing_is_left(tmp_path: Path, tree: Path) -> None:
    def full(done: int, total: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(Invalid, match="became full") as caught:
        build_release(tree, RECIPE, tmp_path / "out", full)

    assert caught.value.kind == "no_space"
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_a_folder_that_cannot_be_made_is_named(tree: Path) -> None:
    with pytest.raises(Invalid, match=r"/proc/.* cannot be read or written"):
        build_release(tree, RECIPE, Path("/proc/out"))
