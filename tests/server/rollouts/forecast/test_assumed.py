"""Assumptions are read as strictly as a policy: what is misspelt or impossible is named with its line."""

from __future__ import annotations

import pytest

from surefoot_server.rollouts.forecast import assumed
from surefoot_server.rollouts.forecast.assumed import Assumed, Group, Offline, Rates, There
from surefoot_shared.errors import Invalid

RELEASE = """
release: app/1.1
download: {median: 2m, p95: 9m}
offline: {share: 10%, away: 2h, gone: 1%}
healthy: {failed: 0.5%}
bad: {reverted: 30%, on: [rpi5], metrics: {camera_fps: {ratio: 0.8, usual: 25}}}
"""


def test_an_empty_document_is_a_plain_release() -> None:
    assert assumed.release("") == Assumed()


def test_a_release_is_read_with_its_rates_durations_and_effects() -> None:
    found = assumed.release(RELEASE)

    assert (found.download.median_s, found.download.p95_s) == (120.0, 540.0)
    assert found.offline == Offline(0.1, 7200.0, 0.01)
    assert found.healthy.rates.failed == 0.005
    assert (found.bad.rates.failed, found.bad.rates.reverted) == (0.005, 0.3), "the rest is as for a healthy one"
    assert found.bad.on == {"rpi5"}
    assert found.bad.metrics["camera_fps"].ratio == 0.8
    assert assumed.name(RELEASE) == "app/1.1"


def test_who_is_offline_comes_from_elsewhere_where_the_document_does_not_say() -> None:
    assert assumed.release("", Offline(0.3)).offline.share == 0.3
    assert assumed.release("offline: {share: 1%}", Offline(0.3)).offline.share == 0.01


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("healthy: {reverts: 1%}", "The release: line 1: healthy.reverts: this key is not known"),
        ("healthy: {reverted: 60%, failed: 60%}", "its shares are more than all devices"),
        ("download: {median: 5m, p95: 1m}", "p95 is below the median"),
        ("offline: {share: 90%, gone: 20%}", "more than all devices"),
        ("bad: {metrics: {camera_fps: {ratio: 0}}}", "a ratio is above 0"),
        ("download: {median: 5}", "is not a duration"),
    ],
)
def test_an_impossible_assumption_is_refused(text: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        assumed.release(text)

    assert said in refused.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bad: {on: [rpi5, nothere]}", "line 1: bad.on[1]: no device that gets it is 'nothere'; they are rpi5, x86."),
        (
            "bad: {metrics: {camera_fsp: {ratio: 0.8}}}",
            "bad.metrics.camera_fsp: neither the policy's objectives nor a check of the release look at it",
        ),
        ("healthy: {on: [nothere]}", "line 1: healthy.on[0]: no device that gets it"),
    ],
)
def test_an_assumption_about_what_is_not_there_is_refused(text: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        assumed.release(text, there=There({"rpi5", "x86"}, {"camera_fps"}))

    assert said in refused.value.message
    assert assumed.release(RELEASE, there=There({"rpi5"}, {"camera_fps"})) == assumed.release(RELEASE)


def test_a_time_zone_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Invalid, match=r"groups.0..zone: 'Mars/X' is not a time zone such as UTC or Asia/Tokyo"):
        assumed.fleet("groups: [{count: 1, hw: rpi5, zone: Mars/X}]")


def test_a_fleet_is_groups_of_alike_devices_and_who_is_offline() -> None:
    groups, offline = assumed.fleet(
        "offline: {share: 2%}\n"
        "groups: [{count: 3, hw: pi, site: hn, sites: 2, tags: [lab], attributes: {country: VN}}]\n"
    )

    assert groups == [Group(3, "pi", "hn", 2, "", frozenset({"lab"}), {"country": "VN"})]
    assert offline == Offline(share=0.02)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "groups: it is missing"),
        ("groups: []", "1 to 10000 groups"),
        ("groups: [{hw: pi}]", "groups[0].count: it is missing"),
        ("groups: [{count: 9000000, hw: a}, {count: 9000000, hw: b}]", "are not modelled"),
    ],
)
def test_a_fleet_that_cannot_be_is_refused(text: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        assumed.fleet(text)

    assert said in refused.value.message
    assert refused.value.message.startswith("The fleet: ")


def test_rates_sum_up() -> None:
    assert Rates(0.1, 0.2, 0.3, 0.05).total == pytest.approx(0.65)
