"""Flags, advisories and hooks at a terminal."""

from __future__ import annotations

from pathlib import Path

from tests.server.cli.conftest import Operator
from tests.server.rollouts.fleet import Fleet


def test_a_flag_on_a_release_holds_its_rollout_and_is_withdrawn_by_its_number(surefoot: Operator, fleet: Fleet) -> None:
    rollout = fleet.start()

    said = surefoot("release", "flag", "app/1.1", "--reason", "mirrored")
    listed = surefoot("flag", "list")
    gone = surefoot("flag", "withdraw", "1")

    assert said.out == "app/1.1 is flagged (flag 1).\n"
    assert "mirrored" in listed.out
    assert gone.out == "Flag 1 is withdrawn.\n"
    assert fleet.rollout(rollout).state == "held"
    assert "withdrawn" in surefoot("flag", "list", "--all").out


def test_a_flagged_device_speaks_against_what_it_runs(surefoot: Operator, fleet: Fleet) -> None:
    said = surefoot("device", "flag", "cam-01", "--reason", "dark")

    assert said.out == "cam-01 is flagged, against app/1.0 (flag 1).\n"
    assert surefoot("device", "flag", "ghost", "--reason", "x").code == 3
    assert surefoot("device", "flag", "cam-01").code == 2


def test_an_advisory_says_what_it_stopped_and_who_runs_the_release(surefoot: Operator, fleet: Fleet) -> None:
    rollout = fleet.start()

    said = surefoot("release", "advisory", "app/1.1", "--reason", "cve", "--reference", "CVE-1")
    old = surefoot("release", "advisory", "app/1.0", "--reason", "old", "--do", "hold")

    assert said.out == f"Advisory 1 against app/1.1: stopped: {rollout}. 0 devices run it.\n"
    assert (
        "no rollout of it was running. 12 devices run it: cam-01, cam-02, cam-03, cam-04, cam-05 and more." in old.out
    )


def test_a_hooks_address_is_shown_once_and_revoked_by_its_id(surefoot: Operator, fleet: Fleet) -> None:
    rollout = fleet.start()

    made = surefoot("hook", "create", "grafana", "--do", "halt", "--rollout", rollout)
    listed = surefoot("hook", "list", "--json").json
    assert isinstance(listed, list)
    hook = listed[0]["id"]  # type: ignore[index,call-overload]

    assert made.out.startswith(f"{surefoot.url}/api/v1/hooks/sfh_{hook}_")
    assert surefoot("hook", "revoke", str(hook)).out == f"Hook {hook} is revoked.\n"
    assert "revoked" in surefoot("hook", "list").out
    assert surefoot("hook", "create", "x", "--do", "halt").code == 5


def test_a_signed_hooks_secret_is_shown_once_and_another_takes_its_place(
    surefoot: Operator, fleet: Fleet, tmp_path: Path
) -> None:
    rollout = fleet.start()

    made = surefoot("hook", "create", "ci", "--do", "halt", "--rollout", rollout, "--signed")
    address, secret = made.out.split()
    hook = address.rpartition("sfh_")[2]
    other = surefoot("hook", "rotate", hook, "--overlap", "1h")

    assert secret.startswith("whsec_")
    assert other.out.startswith("whsec_")
    assert other.out.strip() != secret
    assert "signed" in surefoot("hook", "list").out
    (tmp_path / "secret").write_text(f"{secret}\n")
    given = surefoot(
        "hook", "create", "svix", "--do", "hold", "--rollout", rollout, "--secret-file", f"{tmp_path}/secret"
    )
    assert (given.code, secret in given.out) == (0, False)
    (tmp_path / "secret").write_text("hunter2")
    assert surefoot("hook", "rotate", hook, "--secret-file", f"{tmp_path}/secret").code == 2
