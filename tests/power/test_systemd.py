"""A node in two halves on a running systemd, by the units that ship: installed as the guide says, restarted, killed.

The server, its broker, agent, helper and guard are the real ones. The software emulation of this machine takes minutes
for what a board does in seconds, so this room belongs to `make soak`: alone, as a verification may take a minute.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from surefoot_simulators.demo.seen import SeenAssignment
from tests.power import stick
from tests.power.node import Node
from tests.power.site import Site

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(3600),
    pytest.mark.needs("mkfs.ext4", "dpkg", "apt-get", "mosquitto"),
]
LIMIT_S = 1200.0
"""Everything is over within two minutes alone."""
STARTUP_S = 60
"""Of each release: longer than a start of Python takes in software emulation on a busy host."""
OLD, NEW = 1, 2
"""Forms of the application's data."""
UNITS = ("surefoot-agent", "surefoot-helper", "surefoot-guard@app", "surefoot-shutdown")
PREPARE = """
mkdir -p /opt && cp -a opt/surefoot /opt/surefoot
install -D -m 644 surefoot/agent/surefoot_agent/guard.py /usr/lib/surefoot/guard.py
install -D -m 644 10-site.toml /etc/surefoot/agent.d/10-site.toml
"""
HELPER_RIGHTS = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "KILL": 5, "SETGID": 6, "SETUID": 7, "SYS_PTRACE": 19}
"""Numbers of capabilities. Source: kernel, include/uapi/linux/capability.h."""


@dataclass
class Standing:
    """A node that is on, in contact, and on a committed release; each case leaves it so."""

    site: Site
    node: Node
    numbers: Iterator[int]
    version: str
    form: int

    def publish(self, form: int, sick: bool = False, ballast: int = 0) -> str:
        version = f"1.{next(self.numbers)}"
        tree = stick.write_release(self.node.folder, version, form, sick, ballast)
        self.site.publish(tree, version, stick.RECIPE.format(startup_s=STARTUP_S))
        return version

    def ended(self, version: str, rollout: str) -> SeenAssignment:
        """Wait for the end of a rollout; return how it ended on the node."""
        self.site.wait(lambda: self.site.outcome(stick.DEVICE, version), f"the outcome of {version}", LIMIT_S)
        self.site.wait(lambda: self.site.is_over(rollout), f"the end of the rollout of {version}", LIMIT_S)
        ended = self.site.outcome(stick.DEVICE, version)
        assert ended is not None
        if ended.outcome == "committed":
            self.version = version
        return ended

    def stand(self) -> None:
        self.site.wait(lambda: self.site.runs(stick.DEVICE, self.version), f"the node on {self.version}", LIMIT_S)

    def findings(self, verb: str) -> Mapping[str, tuple[bool, str]]:
        """What `check` or `doctor` says, asked as the guide asks: name → whether it is well, and the words."""
        said = self.node.ask(f"sudo -u surefoot /opt/surefoot/bin/surefoot-agent {verb} --json")
        assert said.out, said.err
        return {each["name"]: (each["ok"], each["message"]) for each in json.loads(said.out)}

    def wrong(self, verb: str) -> dict[str, str]:
        return {name: words for name, (ok, words) in self.findings(verb).items() if not ok}

    def runs_whole(self) -> None:
        """The node runs its version, with the data in that version's form, and both slots read back as signed."""
        self.stand()
        tree, data = "/var/lib/surefoot-helper/app/current", "/var/lib/surefoot-helper/app/data"
        runs = self.node.do(f"cat {tree}/version; echo; cat {data}/private/form; echo; tail -n 1 {data}/private/starts")
        assert runs.split() == [self.version, str(self.form), self.version]
        assert self.wrong("check --read-slots") == {}


@pytest.fixture(scope="module")
def only_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    folder = tmp_path_factory.mktemp("systemd")
    site = Site(folder / "site", "app")
    first = stick.write_release(folder, "1.0", OLD)
    released = site.publish(first, "1.0", stick.RECIPE.format(startup_s=STARTUP_S))
    node = Node(folder, stick.make_stick(site, folder, released), seed=1)
    try:
        node.on()
        node.do(PREPARE)
        node.ask("set -e\n" + stick.orders(site, "### In two halves"))
        yield Standing(site, node, itertools.count(1), "1.0", OLD)
    finally:
        node.close()
        site.close()


@pytest.fixture
def standing(only_node: Standing) -> Standing:
    only_node.stand()
    return only_node


def test_every_unit_runs_without_a_word_and_the_networked_half_has_no_right_at_all(standing: Standing) -> None:
    node = standing.node

    shown = {
        unit: dict(line.split("=", 1) for line in node.do(f"systemctl show {unit}").splitlines()) for unit in UNITS
    }
    verified = node.ask(f"systemd-analyze verify {' '.join(f'{unit}.service' for unit in UNITS)}")
    agent, helper, guard = (_status(node, shown[unit]["MainPID"]) for unit in UNITS[:3])

    assert {(each["ActiveState"], each["Result"], each["NRestarts"]) for each in shown.values()} == {
        ("active", "success", "0")
    }
    assert (verified.code, verified.out + verified.err) == (0, "")
    assert node.do("systemctl --failed --plain --no-legend") == ""
    assert agent["Uid"] == node.do("id -u surefoot").split() * 4 != ["0"] * 4
    assert agent["Gid"] == node.do("id -g surefoot").split() * 4
    assert {agent[kind] for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert helper["CapEff"] == helper["CapBnd"] == _mask(*HELPER_RIGHTS)
    assert guard["CapEff"] == guard["CapBnd"] == _mask(*(HELPER_RIGHTS.keys() - {"CHOWN"}))
    assert [each["NoNewPrivs"] for each in (agent, helper, guard)] == [1, 1, 1]


def test_what_the_networked_half_may_not_touch_it_cannot_touch(standing: Standing) -> None:
    pid = standing.node.do("systemctl show -p MainPID --value surefoot-agent").strip()
    rights = "setpriv --reuid surefoot --regid surefoot --init-groups --bounding-set=-all"
    inside, app = f"nsenter --target {pid} --mount {rights}", "/var/lib/surefoot-helper/app"
    places = (f"{app}/slots/A/version", f"{app}/boot.0", f"{app}/trial.0", "/etc/x", "/usr/x", "/var/x")

    writes = [standing.node.ask(f"{inside} bash -c 'echo x >>{place}'").code for place in places]
    reads = [
        standing.node.ask(f"{inside} {command}").code
        for command in (f"ls {app}/data", "cat /dev/nvme0n1", "test -e /dev/nvme0n1")
    ]

    assert 0 not in writes
    assert 0 not in reads


def test_a_good_update_migrates_the_data_and_runs_after_one_more_restart(standing: Standing) -> None:
    standing.form = NEW
    version = standing.publish(NEW)

    ended = standing.ended(version, standing.site.update(version, stick.DEVICE))
    standing.node.machine.skip()
    standing.node.restart()
    booted = standing.node.machine.expect(r"booted cause=(\w+)", LIMIT_S)

    assert (ended.outcome, ended.proved_slot) == ("committed", "B")
    assert booted[1] == "clean_restart"
    standing.runs_whole()


def test_a_release_that_is_not_well_goes_back_by_itself_and_says_why(standing: Standing) -> None:
    old = standing.version
    version = standing.publish(standing.form + 1, sick=True)

    ended = standing.ended(version, standing.site.update(version, stick.DEVICE))

    assert (ended.outcome, ended.reason) == ("reverted", "health_failed")
    assert "http" in ended.message
    assert standing.version == old
    standing.runs_whole()


@pytest.mark.parametrize("unit", ["surefoot-agent", "surefoot-helper", "surefoot-guard@app"])
def test_whoever_is_killed_in_the_middle_comes_back_and_it_ends_on_a_whole_slot(standing: Standing, unit: str) -> None:
    version, node = standing.publish(standing.form), standing.node
    node.machine.skip()
    rollout = standing.site.update(version, stick.DEVICE)

    for state in ("downloading", "probation"):
        node.machine.expect(f"to={state} ", LIMIT_S)
        node.do(f"systemctl kill --kill-whom=main --signal=KILL {unit}")

    ended = standing.ended(version, rollout)
    assert (ended.outcome, ended.reason) == ("committed", None)
    standing.runs_whole()


@pytest.mark.parametrize("state", ["downloading", "switching", "probation"])
def test_a_power_cut_in_the_middle_ends_on_a_whole_slot(standing: Standing, state: str) -> None:
    version, node = standing.publish(standing.form, ballast=4), standing.node
    node.machine.skip()
    rollout = standing.site.update(version, stick.DEVICE)

    node.machine.expect(f"to={state} ", LIMIT_S)
    cut = node.cut()
    node.on()

    ended = standing.ended(version, rollout)
    print(f"cut at {state}: {cut.kept} of {cut.unflushed} unflushed sectors kept, {ended.outcome} {ended.reason}")
    assert ended.outcome in ("committed", "reverted")
    standing.runs_whole()


def test_check_and_doctor_say_what_is_true(standing: Standing) -> None:
    node = standing.node
    well = standing.wrong("check"), standing.wrong("doctor")

    node.do("systemctl stop surefoot-guard@app")
    no_guard = standing.wrong("check")
    node.do("systemctl start surefoot-guard@app && systemctl stop surefoot-helper")
    no_helper = standing.wrong("check"), standing.wrong("doctor")
    node.do("systemctl start surefoot-helper && systemctl stop surefoot-agent")
    no_agent = standing.wrong("check"), standing.wrong("doctor")
    node.do("systemctl start surefoot-agent")

    assert well == ({}, {})
    assert no_guard.keys() == {"guard"}
    assert no_helper[0].keys() == {"helper"}
    assert no_helper[1].keys() == set()  # the way to the server is what it was
    assert no_agent[0].keys() == {"agent"}
    assert no_agent[1].keys() == set()
    standing.runs_whole()


def _status(node: Node, pid: str) -> Mapping[str, object]:
    """A process as the kernel sees it."""
    lines = dict(line.split(":", 1) for line in node.do(f"cat /proc/{pid}/status").splitlines())
    rights = {name: int(text, 16) for name, text in lines.items() if name.startswith("Cap")}
    return {"Uid": lines["Uid"].split(), "Gid": lines["Gid"].split(), "NoNewPrivs": int(lines["NoNewPrivs"]), **rights}


def _mask(*names: str) -> int:
    return sum(1 << HELPER_RIGHTS[name] for name in names)
