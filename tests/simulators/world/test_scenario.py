"""A scenario is one value, or a complaint with line and field; the server's own readers read what is the server's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_shared.errors import Invalid
from surefoot_shared.release import CheckKind
from surefoot_simulators.device.boot import Kind
from surefoot_simulators.world.scenario import Do, parsed, read
from tests.simulators.world.conftest import SMALL, small


def test_a_scenario_is_read_whole() -> None:
    scenario = small()

    assert [group.boot for group in scenario.groups] == [Kind.LINK, Kind.COUNTER]
    assert [release.version for release in scenario.releases] == ["1.0", "1.1", "2.0"]
    assert scenario.releases[1].effects[0].conduct.fails == "camera"
    assert [act.do for act in scenario.acts] == [Do.PAUSE, Do.RESUME]
    assert scenario.hardware == ("jetson-orin", "rpi5")
    assert len(scenario.expectations) == 3


def test_a_release_brings_checks_of_its_own_or_the_usual_ones() -> None:
    checks = '[[release.check]]\nname = "fast"\nkind = "metric"\nparams = {metric = "inference_p95_s", max = 0.1}\n'
    text = SMALL.replace('fails = "camera"', 'fails = "fast"')
    scenario = parsed(text.replace('[[release]]\nversion = "2.0"', f'{checks}\n[[release]]\nversion = "2.0"'), "x")

    assert [check.kind for check in scenario.releases[1].checks] == [CheckKind.METRIC]
    assert [check.kind for check in scenario.releases[0].checks] == [CheckKind.PROCESS, CheckKind.CAMERA]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('release = "1.1"\npolicy', 'release = "9"\npolicy', "rollout.0.release: '9' is no release"),
        ("percent: 100", "percent: 40", "rollout.0.policy: the server refuses it"),
        ("count = 3", "count = 0", "line 7: fleet.devices.0.count: 0 is not a whole number from 1"),
        ('boot = "counter"', 'boot = "abacus"', "fleet.devices.1.boot: 'abacus' is not one of link"),
        ('do = "pause"', 'do = "dance"', "act.0.do: 'dance' is not one of pause"),
        ("where = \"device == 'cam-0001'\"", 'where = "device =="', "release.1.effect.0.where"),
        ('duration = "2h"', "", "duration: it is missing"),
        ('title = "Three', 'colour = "red"\ntitle = "Three', "colour: there is no such key"),
        ('do = "resume"', 'do = "resume"\nrollout = 3', "act.1.rollout: there is no rollout 3; there is only one"),
        ('at = "3m"', 'at = "-3m"', "rollout.0.at: '-3m' is outside 0s to"),
        ('do = "resume"', 'do = "resume"\nafter = "-5s"', "act.1.after: '-5s' is outside 0s to"),
        ('title = "Three', 'component = ""\ntitle = "Three', "line 2: component: '' is no name"),
        ("[[fleet.devices]]", '[fleet]\nheartbeat = "0s"\n[[fleet.devices]]', "heartbeat: '0s' is outside 1s to"),
        ("[[fleet.devices]]", '[fleet]\ntelemetry = "0.9s"\n[[fleet.devices]]', "telemetry: '0.9s' is outside"),
        ("count = 3", 'count = 3\nguard_budget = "-5s"', "guard_budget: '-5s' is outside 1s to"),
        ("count = 3", 'count = 3\nname = "a b"', "line 8: fleet.devices.0.name: no device can be called 'a b-0001'"),
        ("count = 3", 'count = 3\nhw = ""', "line 8: fleet.devices.0.hw: '' is no name"),
        ("count = 3", "count = 3\nattributes = {floor = nan}", "line 8: fleet.devices.0.attributes: floor is nan"),
        ("count = 3", 'count = 3\nnetwork = {delay = "-5s"}', "delay: '-5s' is outside 0s to"),
        ('version = "1.0"\n', 'version = "1.0"\nsoak = "3h"\n', "release.0.soak: probation"),
    ],
)
def test_what_is_wrong_is_named_with_line_and_field(old: str, new: str, words: str) -> None:
    assert old in SMALL

    with pytest.raises(Invalid) as caught:
        parsed(SMALL.replace(old, new, 1), "small", "small.toml")

    assert words in caught.value.message
    assert "small" in caught.value.message


def test_a_scenario_that_expects_nothing_is_refused() -> None:
    with pytest.raises(Invalid, match="it expects nothing"):
        parsed(SMALL.partition("[[expect]]")[0], "small")


def test_a_fleet_runs_the_first_release_unless_it_is_said() -> None:
    text = SMALL.replace('"1.0"', '"0.9"')

    assert parsed(text, "x").runs == "0.9"
    assert parsed(text.replace("[[fleet.devices]]", '[fleet]\nruns = "1.1"\n[[fleet.devices]]', 1), "x").runs == "1.1"


def test_a_fleet_that_runs_what_is_not_there_is_refused() -> None:
    with pytest.raises(Invalid, match=r"release 0\.9 is not among"):
        parsed(SMALL.replace("[[fleet.devices]]", '[fleet]\nruns = "0.9"\n[[fleet.devices]]', 1), "small")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"gone\.toml cannot be read"):
        read(tmp_path / "gone.toml")


MODEL = '[[release]]\ncomponent = "model"\nversion = "m1"\n\n[[release]]\ncomponent = "model"\nversion = "m2"\n'


def test_a_release_of_another_component_gives_every_device_that_component() -> None:
    text = SMALL.replace('release = "1.1"\npolicy', 'release = "1.1"\nalso = "m2"\npolicy') + MODEL
    scenario = parsed(text, "pair")

    assert scenario.components == ("app", "model")
    assert [scenario.first_of(component) for component in scenario.components] == ["1.0", "m1"]
    assert scenario.rollouts[0].also == ("m2",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SMALL + MODEL.replace("m2", "1.1"), "two releases have the same version"),
        (
            SMALL.replace('release = "1.1"\npolicy', 'release = "1.1"\nalso = "m2"\npolicy'),
            "also: 'm2' is no",
        ),
    ],
)
def test_a_release_is_known_by_its_version_alone(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        parsed(text, "pair")


def test_a_policy_may_be_a_file_and_a_complaint_about_it_names_both(tmp_path: Path) -> None:
    policy = SMALL.partition('policy = """')[2].partition('"""')[0]
    text = SMALL.replace(f'policy = """{policy}"""', 'policy_file = "canary.yaml"')
    (tmp_path / "mine.toml").write_text(text)
    (tmp_path / "canary.yaml").write_text(policy)

    assert read(tmp_path / "mine.toml").rollouts == small_but_for(policy)
    with pytest.raises(Invalid, match=r"policy_file: it has a policy as well"):
        parsed(
            text.replace('policy_file = "canary.yaml"', 'policy_file = "canary.yaml"\npolicy = ""'), "x", "", tmp_path
        )
    (tmp_path / "canary.yaml").write_text("phases: 3\n")
    with pytest.raises(Invalid, match=r"rollout\.0\.policy_file: the server refuses it: The policy: line 1: phases"):
        read(tmp_path / "mine.toml")


def small_but_for(policy: str) -> tuple[object, ...]:
    """The same rollout, with its policy in the scenario."""
    (plan,) = small().rollouts
    return (replace(plan, policy=policy),)


def test_what_files_have_and_no_run_shows_is_kept_with_the_scenario(tmp_path: Path) -> None:
    recipe = 'version = "2.0"\nhw = ["x86-box"]\n[application]\nargv = ["run"]\n[data]\n'
    (tmp_path / "release.toml").write_text(recipe)
    text = SMALL.replace('boot = "counter"\n', "").replace('version = "2.0"\nhw = ["x86-box"]', 'from = "release.toml"')

    scenario = parsed(text, "x", "", tmp_path)

    assert scenario.unplayed == (
        "Not played of 2.0: the copy of its data ([data]). 2.0 is played as 40 MB, since a recipe says no size",
    )


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_bytes(b"\xef\xbb\xbf" + SMALL.encode())

    assert read(tmp_path / "small.toml") == small()


BARE = 'title = "x"\npromise = "y"\nduration = "2h"\n[[fleet.devices]]\ncount = 3\n[[release]]\nversion = "1"\n'
ASKED = """
[[rollout]]
release = "1"
[[act]]
do = "halt"
[[fault]]
kind = "reboot"
[[expect]]
kind = "open"
at_most = 1
"""
PAGE = Path(__file__).parents[3] / "docs" / "simulator.md"


def test_the_page_says_what_holds_where_a_key_is_left_out() -> None:
    made, page = parsed(BARE + ASKED, "bare"), PAGE.read_text()
    group, release, fault, act = made.groups[0], made.releases[0], made.faults[0], made.acts[0]

    assert (made.heartbeat_s, made.telemetry_s) == (6 * 3600.0, 6 * 3600.0)
    assert "`heartbeat` and `telemetry` (each 6h and from 1 s;" in page
    assert (made.rollouts[0].at_s, act.at_s, fault.at_s, fault.for_s) == (300.0, 0.0, 0.0, 30.0)
    assert all(words in page for words in ("| `at` (5m),", "| `at` (0), `do`", "when: `at` (0),", "`for` (30s)"))
    assert (made.seed, made.component, made.begins_at_hour, made.night_ratio) == (1, "app", 12.0, 0.8)
    assert "`seed` (1), `component` (`app`), `begins_at_hour` (12), `night_ratio` (0.8:" in page
    assert (group.name, group.hw, group.sites, group.free_bytes, group.guard_budget_s) == (
        "cam",
        "rpi5",
        ("site-1",),
        64e9,
        300.0,
    )
    assert all(
        w in page for w in ("(`cam`,", "`hw` (`rpi5`)", "(`site-1`)", "`free_mb` (64000)", "`guard_budget` (5m,")
    )
    assert (group.network.delay_s, group.network.rate_bytes_per_s) == (0.05, 2e6)
    assert all(words in page for words in ("`delay` (50ms)", "`rate_kbps` (16000)"))
    assert (release.counter, release.svn, release.size_bytes) == (101, 1, 40e6)
    assert (release.probation.startup_s, release.probation.steady, release.probation.soak_s) == (20.0, 2, 20.0)
    assert "`startup` (20s), `steady` (2), `soak` (20s)" in page


@pytest.mark.parametrize("key", ["title", "promise", "duration"])
def test_the_page_says_what_is_required(key: str) -> None:
    with pytest.raises(Invalid, match=f"{key}: it is missing"):
        parsed("\n".join(line for line in (BARE + ASKED).splitlines() if not line.startswith(key)), "bare")

    assert "`title`, `promise` and `duration` have to be there" in PAGE.read_text()
