"""The units that ship: systemd accepts them, they give the agent little, and they name what really exists."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from surefoot_agent import boots, config
from tests.house.tree import ROOT

UNITS = sorted((ROOT / "packaging" / "systemd").glob("*.service"))
MOST_EXPOSED = 25
"""systemd's exposure in tenths: 2.5 is 'OK'; an ordinary daemon without settings has 9.6."""

ROOTS = {"surefoot-helper.service": 38}
"""It becomes other users, looks at their processes and copies their data, which it is for; it opens no connection."""


def _on_this_machine(unit: Path, folder: Path) -> Path:
    """The same unit with commands that exist here, as systemd-analyze insists on."""
    copy = folder / unit.name.replace("@.", "@app.")
    copy.write_text(
        re.sub(r"^ExecStart=\S+", f"ExecStart={shutil.which('true')}", unit.read_text(), flags=re.MULTILINE)
    )
    return copy


@pytest.mark.needs("systemd-analyze")
def test_systemd_accepts_every_unit_without_a_word(tmp_path: Path) -> None:
    units = [_on_this_machine(unit, tmp_path) for unit in UNITS]

    result = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60)

    assert len(units) == 6
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_no_unit_is_more_exposed_than_promised(unit: Path, tmp_path: Path) -> None:
    copy = _on_this_machine(unit, tmp_path)
    most = ROOTS.get(unit.name, MOST_EXPOSED)
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={most}", copy]

    result = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert result.returncode == 0, result.stdout.splitlines()[-1]


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize(("name", "most"), [("surefoot-agent", 18), ("surefoot-guard@", 36)])
def test_the_two_halves_are_accepted_and_the_networked_one_is_the_least_exposed(
    tmp_path: Path, name: str, most: int
) -> None:
    copy = _on_this_machine(ROOT / "packaging" / "systemd" / f"{name}.service", tmp_path)
    drop_in = (ROOT / "packaging" / "systemd" / "split" / f"{name}.conf").read_text()
    folder = tmp_path / f"{copy.name}.d"
    folder.mkdir()
    true = shutil.which("true")
    (folder / "split.conf").write_text(re.sub(r"^ExecStart=/\S+", f"ExecStart={true}", drop_in, flags=re.MULTILINE))

    verified = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, timeout=60)
    security = ["systemd-analyze", "security", "--offline=true", f"--threshold={most}", copy]
    result = subprocess.run(security, capture_output=True, text=True, timeout=60)

    assert (verified.returncode, verified.stderr) == (0, "")
    assert result.returncode == 0, result.stdout.splitlines()[-1]


BOARD_UNITS = ("surefoot-agent", "surefoot-guard@", "surefoot-shutdown")


def _with_drop_ins(name: str, kinds: tuple[str, ...], folder: Path) -> Path:
    copy = _on_this_machine(ROOT / "packaging" / "systemd" / f"{name}.service", folder)
    drop_ins = folder / f"{copy.name}.d"
    drop_ins.mkdir()
    for kind in kinds:
        text = (ROOT / "packaging" / "systemd" / kind / f"{name}.conf").read_text()
        true = shutil.which("true")
        (drop_ins / f"{kind}.conf").write_text(
            re.sub(r"^ExecStart=/\S+", f"ExecStart={true}", text, flags=re.MULTILINE)
        )
    return copy


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("kinds", [("root",), ("root", "data"), ("data",)], ids="+".join)
def test_the_drop_ins_of_boards_are_accepted_on_every_unit(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    units = [_with_drop_ins(name, kinds, tmp_path) for name in BOARD_UNITS]

    result = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60)

    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.needs("systemd-analyze")
def test_a_board_in_two_halves_is_accepted_and_its_agent_is_as_little_exposed_as_any(tmp_path: Path) -> None:
    names = ("surefoot-agent", "surefoot-helper", "surefoot-guard@")
    units = [_with_drop_ins(name, ("split-root",), tmp_path) for name in names]

    verified = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60)
    security = ["systemd-analyze", "security", "--offline=true", "--threshold=18", units[0]]
    exposed = subprocess.run(security, capture_output=True, text=True, timeout=60)

    assert (verified.returncode, verified.stderr) == (0, "")
    assert exposed.returncode == 0, exposed.stdout.splitlines()[-1]


def test_the_agent_of_a_board_in_two_halves_is_no_root_and_sees_no_device() -> None:
    agent, helper, guard = (
        (ROOT / f"packaging/systemd/split-root/{name}.conf").read_text()
        for name in ("surefoot-agent", "surefoot-helper", "surefoot-guard@")
    )
    settings = config.load(ROOT / "packaging/agent.d/split-root.toml", env={})

    assert not re.search(r"^(User|Group|CapabilityBoundingSet|ProtectSystem|DevicePolicy)=", agent, re.MULTILINE)
    assert "\nPrivateDevices=yes\n" in agent
    assert re.findall(r"^ReadWritePaths=(.*)$", agent, re.MULTILINE) == ["", f"{settings.state_dir} /run/surefoot-app"]
    assert f"\nReadWritePaths={settings.helper_dir}\n" in helper
    assert f"--component-dir {settings.helper_dir}/%i\n" in guard
    assert "RestrictAddressFamilies" not in helper + guard  # neither opens a connection, as before


def test_each_unit_of_a_board_becomes_roots_and_finds_the_state_folder_that_the_pages_name() -> None:
    pages = [(ROOT / "docs" / f"migrate-from-{who}.md").read_text() for who in ("rauc", "mender")]

    for name in BOARD_UNITS:
        root, data = ((ROOT / "packaging/systemd" / kind / f"{name}.conf").read_text() for kind in ("root", "data"))
        assert "\nUser=root\nGroup=root\n" in root
        assert "/var/lib/surefoot" not in data
        assert "\nReadWritePaths=/data/surefoot\n" in data
    for page in pages:
        assert 'state_dir = "/data/surefoot"' in page
        assert "packaging/systemd/root/" in page
        assert "packaging/systemd/data/" in page


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("root", "surefoot-agent"),
        ("root", "surefoot-guard@"),
        ("split-root", "surefoot-helper"),
        ("split-root", "surefoot-guard@"),
    ],
)
def test_who_needs_a_boards_devices_asks_for_no_setting_that_closes_them(kind: str, name: str) -> None:
    """systemd before 253 takes the one device that ProtectClock= allows for a list of all that are."""
    base = _section(ROOT / f"packaging/systemd/{name}.service", "Service")
    told = {**dict(base), **dict(_section(ROOT / f"packaging/systemd/{kind}/{name}.conf", "Service"))}

    assert (told["DevicePolicy"], told["DeviceAllow"], told["ProtectClock"]) == ("auto", "", "no")
    assert told.get("PrivateDevices", "no") == "no"


def test_agent_and_guard_of_a_board_may_do_the_same() -> None:
    agent, guard = (
        dict(_section(ROOT / f"packaging/systemd/root/{name}.conf", "Service"))
        for name in ("surefoot-agent", "surefoot-guard@")
    )

    assert agent == guard


def test_the_agent_of_two_halves_may_write_nothing_of_a_slot() -> None:
    told = (ROOT / "packaging/systemd/split/surefoot-agent.conf").read_text()
    unit = _section(ROOT / "packaging/systemd/surefoot-agent.service", "Service")

    assert re.findall(r"^ReadWritePaths=(.*)$", told, re.MULTILINE) == ["", "/run/surefoot-app"]
    assert (unit["StateDirectory"], unit["ProtectSystem"], unit["CapabilityBoundingSet"]) == ("surefoot", "strict", "")
    settings = config.load(ROOT / "packaging/agent.d/split.toml", env={})
    assert str(settings.component_dir("app")) == "/var/lib/surefoot-helper/app"
    assert not str(settings.component_dir("app")).startswith(f"{settings.state_dir}/")


@pytest.mark.parametrize("kind", ["split", "split-root"])
def test_no_privileged_unit_of_two_halves_takes_the_agents_folder_for_its_own(kind: str) -> None:
    """systemd gives every StateDirectory= to the unit's user at each start, and a drop-in adds to the unit's list."""
    for drop_in in sorted((ROOT / "packaging/systemd" / kind).glob("*.conf")):
        unit = ROOT / "packaging/systemd" / f"{drop_in.stem}.service"
        listed: list[str] = []
        for told in re.findall(r"^StateDirectory=(.*)$", f"{unit.read_text()}\n{drop_in.read_text()}", re.MULTILINE):
            listed = [*listed, *told.split()] if told else []

        assert ("surefoot" in listed) <= (unit.name == "surefoot-agent.service"), drop_in


@pytest.mark.parametrize("kind", ["split", "split-root", "data"])
def test_a_guard_makes_the_folder_that_it_watches(kind: str) -> None:
    """The agent's unit wants the guard of `app`, and no drop-in can take a wish back."""
    told = (ROOT / f"packaging/systemd/{kind}/surefoot-guard@.conf").read_text()
    watched = re.findall(r"--component-dir (\S+)$", told, re.MULTILINE)

    assert re.findall(r"^ExecStartPre=(.*)$", told, re.MULTILINE) == ["", f"/bin/mkdir -p {watched[0]}"]


def test_every_user_that_the_two_halves_name_is_made_by_the_package() -> None:
    made = re.findall(r"^u\s+(\S+)", (ROOT / "packaging/sysusers.d/surefoot.conf").read_text(), re.MULTILINE)
    settings = config.load(ROOT / "packaging/agent.d/split.toml", env={})

    assert {settings.agent_user, settings.app_user, settings.verify_user} <= set(made)
    assert len({settings.agent_user, settings.app_user, settings.verify_user}) == 3


def test_stopping_agent_or_guard_leaves_the_application_running() -> None:
    for unit in UNITS:
        if unit.name.startswith(("surefoot-agent", "surefoot-guard", "surefoot-helper")):
            assert "\nKillMode=process\n" in unit.read_text()


def test_systemd_never_gives_up_what_is_to_run_always() -> None:
    """By default five quick ends are the last: two seconds apart, the guard's would be over within ten."""
    for unit in UNITS:
        service = _section(unit, "Service")
        if service.get("Restart") == "always":
            assert _section(unit, "Unit")["StartLimitIntervalSec"] == "0", unit.name


def test_an_application_gets_the_same_limits_from_the_agent_and_from_the_guard() -> None:
    own = {"ExecStart", "ExecStartPre", "RestartSec", "TimeoutStopSec"}
    agent, guard = (
        {k: v for k, v in _section(ROOT / "packaging/systemd" / name, "Service").items() if k not in own}
        for name in ("surefoot-agent.service", "surefoot-guard@.service")
    )

    assert agent == guard


def test_every_unit_runs_as_a_user_that_the_package_makes() -> None:
    made = re.findall(r"^u\s+(\S+)", (ROOT / "packaging/sysusers.d/surefoot.conf").read_text(), re.MULTILINE)

    for unit in UNITS:
        if unit.name not in ROOTS:
            assert _section(unit, "Service")["User"] in made


def test_an_ordered_shutdown_is_marked_where_the_agent_looks_for_it() -> None:
    unit = (ROOT / "packaging/systemd/surefoot-shutdown.service").read_text()

    assert f"cp /proc/sys/kernel/random/boot_id /var/lib/surefoot/{boots.SHUT_DOWN}\n" in unit
    assert "\nRemainAfterExit=yes\n" in unit  # it is stopped, and so leaves its mark, when the machine goes down
    assert "\nExecStart=/bin/true\n" in unit


def test_the_guard_needs_nothing_of_the_agents_environment() -> None:
    command = _section(ROOT / "packaging/systemd/surefoot-guard@.service", "Service")["ExecStart"]

    assert command.startswith("/usr/bin/python3 -I /usr/lib/surefoot/guard.py ")


def _section(unit: Path, name: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys keep their case
    parser.read(unit)
    return parser[name]
