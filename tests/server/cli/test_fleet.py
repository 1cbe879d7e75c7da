"""`surefoot apply`, `diff`, `export`: a fleet's configuration in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.cli.conftest import Operator
from tests.server.fleet.test_document import WHOLE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "fleet.yaml"
    made.write_text(WHOLE)
    return made


def test_a_difference_is_shown_thing_by_thing_and_ends_with_1(surefoot: Operator, file: Path) -> None:
    surefoot("apply", "-f", file, "--yes")
    file.write_text(WHOLE.replace("hanoi-*", "hn-*").replace("acceptance: 1", "acceptance: 2"))

    said = surefoot("diff", "-f", file)

    assert said.code == 1
    assert said.out.splitlines() == [
        "~ cohort hanoi",
        "    - expression: site ~ 'hanoi-*'",
        "    + expression: site ~ 'hn-*'",
        "~ channel production",
        "    - requires: {baked: {for: 24h, devices: 5}, acceptance: 1}",
        "    + requires: {baked: {for: 24h, devices: 5}, acceptance: 2}",
    ]
    assert said.err.startswith("0 to add, 2 to change, 0 to remove.")


def test_no_difference_ends_with_0_and_says_what_is_left_over(surefoot: Operator, file: Path) -> None:
    surefoot("apply", "-f", file, "--yes")
    surefoot("cohort", "create", "old", "tag('old')")

    said = surefoot("diff", "-f", file)

    assert (said.code, said.out) == (0, "")
    assert "1 thing that the file lacks stays: cohort old." in said.err
    assert f"surefoot apply -f {file} --prune 1" in said.err


def test_a_person_is_asked_with_the_numbers_and_may_say_no(surefoot: Operator, file: Path) -> None:
    said = surefoot("apply", "-f", file, answer="n\n")

    assert "5 to add, 0 to change, 0 to remove: do it?" in said.err
    assert "Nothing was done." in said.err
    assert surefoot("channel", "list").out.count("\n") == 1


def test_what_is_to_go_must_be_counted(surefoot: Operator, file: Path) -> None:
    surefoot("apply", "-f", file, "--yes")
    file.write_text("version: 1\nchannels: {dev: {cohort: \"channel == 'dev'\"}}\n")

    wrong = surefoot("apply", "-f", file, "--prune", "5", "--yes")
    right = surefoot("apply", "-f", file, "--prune", "2", "--yes")

    assert wrong.code == 5
    assert "lacks 2 of the things that are there, not 5" in wrong.err
    assert right.out == "Done: 0 to add, 0 to change, 2 to remove.\n"


def test_an_error_names_file_line_and_field_and_ends_with_2(surefoot: Operator, file: Path) -> None:
    file.write_text(WHOLE.replace("cohort: hanoi", "cohort: hanoy"))

    for verb in ("diff", "apply"):
        said = surefoot(verb, "-f", file)

        assert said.code == 2
        assert f"{file}: line 12: channels.production.cohort: there is no cohort 'hanoy'" in said.err


def test_a_file_that_is_not_there_ends_with_2(surefoot: Operator, tmp_path: Path) -> None:
    assert surefoot("diff", "-f", tmp_path / "none.yaml").code == 2


def test_what_is_exported_is_applied_elsewhere_without_a_difference(surefoot: Operator, file: Path) -> None:
    surefoot("apply", "-f", file, "--yes")
    file.write_text(surefoot("export").out)

    assert surefoot("diff", "-f", file).code == 0
    said = surefoot("apply", "-f", "-", answer=file.read_text())
    assert said.out == "Everything is as the file says.\n"


def test_json_is_the_servers_own_plan(surefoot: Operator, file: Path) -> None:
    plan = surefoot("diff", "-f", file, "--json").json

    assert isinstance(plan, dict)
    assert isinstance(plan["changes"], list)
    assert len(plan["changes"]) == 5


def test_the_secret_of_a_new_webhook_is_printed_once_and_never_exported(surefoot: Operator, file: Path) -> None:
    file.write_text("{version: 1, webhooks: {ops: {url: 'https://93.184.216.34/x?key=hush'}}}")

    first = surefoot("apply", "-f", file, "--yes")
    second = surefoot("apply", "-f", file, "--yes")
    exported = surefoot("export")

    assert first.out.startswith(
        "Done: 1 to add, 0 to change, 0 to remove.\nThe secret of webhook ops, shown this once: "
    )
    secret = first.out.rpartition(": ")[2].strip()
    assert secret.startswith("whsec_")
    assert second.out == "Everything is as the file says.\n"
    assert not any(word in first.err + exported.out for word in (secret, "hush"))
