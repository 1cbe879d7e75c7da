"""Thresholds are data: read from the command line and from a plan, refused where they could not be met."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.keys.quorum import Plan, Quorum, parse_quorum, parse_quorums, read_plan, signers_in
from surefoot_shared.errors import ConfigError, Invalid


def test_a_short_name_stands_for_both_roots_and_a_whole_name_wins() -> None:
    found = parse_quorums(["image-root=2/2", "root=3/5", "release=2/3"])

    assert found == {"image-root": Quorum(2, 2), "director-root": Quorum(3, 5), "image-release": Quorum(2, 3)}


@pytest.mark.parametrize("text", ["", "3", "3/", "/5", "0/3", "4/3", "-1/3", "3/5/7", "1/17", "a/b", "999/999"])
def test_a_threshold_that_cannot_be_met_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_quorum(text)


@pytest.mark.parametrize("name", ["snapshot", "director", "halt", "Root", ""])
def test_only_offline_roles_have_a_threshold(name: str) -> None:
    with pytest.raises(Invalid):
        parse_quorums([f"{name}=2/3"])


def test_a_plan_says_what_the_command_line_could_say(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(
        'fleet = "north"\ncomponents = ["app", "model"]\n[thresholds]\nroot = "3/5"\n'
        '[signers]\nimage-root = ["hsm:1?label=first"]\n'
    )

    plan = read_plan(file)

    assert (plan.fleet, plan.components) == ("north", ("app", "model"))
    assert plan.quorums["director-root"] == Quorum(3, 5)
    assert plan.signers == {"image-root": ("hsm:1?label=first",)}


def test_an_empty_plan_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text("")

    assert read_plan(tmp_path / "plan.toml") == Plan()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("thresold = 1", "config_unknown_key"),
        ("fleet = 3", "config_invalid"),
        ("components = 'app'", "config_invalid"),
        ("thresholds = '3/5'", "config_invalid"),
        ("[thresholds]\nroot = 3", "config_invalid"),
        ("[signers]\nroots = ['hsm:1']", "config_unknown_key"),
        ("[signers]\nhalt = 'hsm:1'", "config_invalid"),
        ("not toml", "config_unreadable"),
    ],
)
def test_a_plan_with_a_mistake_is_refused_by_name(tmp_path: Path, text: str, kind: str) -> None:
    (tmp_path / "plan.toml").write_text(text)

    with pytest.raises(ConfigError) as caught:
        read_plan(tmp_path / "plan.toml")

    assert caught.value.kind == kind
    assert "plan.toml" in caught.value.message


def test_a_plan_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        read_plan(tmp_path / "nowhere.toml")


def test_without_signers_nothing_is_listed(tmp_path: Path) -> None:
    assert signers_in({}, tmp_path) == {}
