"""The device's own checks: real folders, real programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot_agent.health import local
from surefoot_agent.health.local import Folders
from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.release import Manifest, manifest_bytes, parse_manifest
from surefoot_shared.status import Check
from tests.agent.trees import release

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(where: str, text: str = "exit 0", mode: int = 0o755) -> Path:
        path = tmp_path / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {path.name} >> {tmp_path}/order\n{text}\n")
        path.chmod(mode)
        return path

    return write


def folders(root: Path, each_s: float = 20.0, greenboot: bool = True) -> Folders:
    roots = (root / "usr", root / "etc") if greenboot else ()
    return Folders(root / "own", roots, root / "greenboot.conf", each_s)


def looked(of: Folders, index: int = 0) -> tuple[bool, str, list[str]]:
    found = local.look(of.checks()[index])
    return found.good, found.message, [Path(r.name).name for r in found.results]


def test_a_device_without_folders_has_no_checks_of_its_own(tmp_path: Path) -> None:
    assert folders(tmp_path).checks() == ()


def test_programs_run_by_name_greenboots_first_and_every_one_though_one_failed(write: Write, tmp_path: Path) -> None:
    write("own/required.d/05_ours")
    write("etc/required.d/10_dns.sh", "echo no such host; exit 1")
    write("etc/required.d/20_disk.sh")
    write("usr/required.d/90_first.sh")

    good, message, names = looked(folders(tmp_path))

    assert not good
    assert "10_dns.sh: no such host (10_dns.sh ended with 1)" in message
    assert names == ["90_first.sh", "10_dns.sh", "20_disk.sh", "05_ours"]
    assert (tmp_path / "order").read_text().split() == names


def test_what_is_wanted_is_a_check_of_its_own_that_does_not_decide(write: Write, tmp_path: Path) -> None:
    write("etc/wanted.d/10_dns.sh")
    write("etc/required.d/10_disk.sh")

    required, wanted = folders(tmp_path).checks()

    assert (required.name, required.required) == ("device/required.d", True)
    assert (wanted.name, wanted.required) == ("device/wanted.d", False)


def test_a_folder_takes_as_long_as_all_its_programs_may(write: Write, tmp_path: Path) -> None:
    for number in range(40):
        write(f"own/required.d/{number:02d}")

    (check,) = folders(tmp_path, each_s=10.0).checks()

    assert check.timeout_s == 400.0


def test_a_program_that_hangs_is_ended_and_the_next_one_runs(write: Write, tmp_path: Path) -> None:
    write("own/required.d/1_hang", "exec sleep 600")
    write("own/required.d/2_fine")

    good, message, names = looked(folders(tmp_path, each_s=0.5))

    assert (good, names) == (False, ["1_hang", "2_fine"])
    assert message.endswith("1_hang did not end within 0.5 s")


def test_greenboot_takes_its_own_suffix_and_what_it_switched_off_stays_off(write: Write, tmp_path: Path) -> None:
    write("etc/required.d/README")
    write("etc/required.d/10_on.sh")
    write("etc/required.d/20_off.sh")
    (tmp_path / "greenboot.conf").write_text('# x\nDISABLED_HEALTHCHECKS=("20_off.sh" 30_other.sh)\n')

    assert looked(folders(tmp_path))[2] == ["10_on.sh"]


def test_greenboots_folders_can_be_left_alone(write: Write, tmp_path: Path) -> None:
    write("etc/required.d/10_on.sh")

    assert folders(tmp_path, greenboot=False).checks() == ()


@pytest.mark.parametrize("name", [".hidden", "10_x~", "10_x.dpkg-old", "10_x.rpmnew"])
def test_what_editors_and_packages_leave_behind_is_no_check(write: Write, tmp_path: Path, name: str) -> None:
    write(f"own/required.d/{name}", "exit 1")

    assert folders(tmp_path).checks() == ()


@pytest.mark.parametrize(
    ("mode", "words"),
    [(0o777, "can be written by others"), (0o775, "can be written by others"), (0o644, "not executable")],
)
def test_a_program_that_is_not_to_be_trusted_is_not_run_and_fails(
    write: Write, tmp_path: Path, mode: int, words: str
) -> None:
    write("own/required.d/10_x", mode=mode)

    good, message, _ = looked(folders(tmp_path))

    assert not good
    assert words in message
    assert not (tmp_path / "order").exists()


def test_a_folder_that_others_may_write_runs_nothing(write: Write, tmp_path: Path) -> None:
    write("own/required.d/10_x").parent.chmod(0o777)

    assert not looked(folders(tmp_path))[0]
    assert not (tmp_path / "order").exists()


def test_a_program_that_cannot_be_started_says_why(write: Write, tmp_path: Path) -> None:
    write("own/required.d/10_x").write_text("#!/no/such/shell\n")

    assert "it cannot be run: No such file" in looked(folders(tmp_path))[1]


def test_each_program_has_its_own_result_with_code_time_and_output(write: Write, tmp_path: Path) -> None:
    write("own/required.d/10_x", "echo dusty; exit 7")

    (result,) = local.look(folders(tmp_path).checks()[0]).results

    assert (result.result, result.measured["exit_code"], result.output) == (Check.FAIL, 7.0, "dusty\n")
    assert result.took_s > 0


def test_no_release_can_name_a_program_of_the_device() -> None:
    sneaky = b'{"name":"device/required.d","kind":"command","programs":["/bin/true"],"each_s":1.0}'
    raw = manifest_bytes(release({}, checks=())).replace(b'"checks":[]', b'"checks":[' + sneaky + b"]")
    assert sneaky in raw

    with pytest.raises(UntrustedRelease, match="malformed"):
        parse_manifest(raw)
    plain: Manifest = parse_manifest(raw.replace(b"device/required.d", b"device-required"))
    assert [type(check).__name__ for check in plain.checks] == ["HealthCheck"]
