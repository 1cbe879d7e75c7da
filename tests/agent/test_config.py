from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from surefoot_agent.config import SETTINGS, Settings, components_of, load
from surefoot_shared.errors import ConfigError


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def test_without_any_file_every_setting_has_its_default(tmp_path: Path) -> None:
    assert load(env={}, dirs=[tmp_path / "absent"]) == Settings()


def test_every_setting_has_a_row_with_unit_and_sentence() -> None:
    assert [setting.key for setting in SETTINGS] == [field.name for field in fields(Settings)]
    assert all(setting.unit and setting.meaning.endswith(".") for setting in SETTINGS)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.key)
def test_every_default_lies_within_its_own_range(setting: object, tmp_path: Path) -> None:
    key, default = setting.key, setting.default  # type: ignore[attr-defined]
    if isinstance(default, (int, float)):
        file = write(tmp_path, "all.toml", f"{key} = {default!r}")

        assert getattr(load(file, env={}), key) == default


def test_later_folders_and_later_names_win(tmp_path: Path) -> None:
    write(tmp_path / "usr", "10-site.toml", "max_starts = 4\nguard_budget_s = 60\n")
    write(tmp_path / "usr", "20-site.toml", "max_starts = 5\n")
    write(tmp_path / "etc", "00-local.toml", "guard_budget_s = 90\n")

    settings = load(env={}, dirs=[tmp_path / "usr", tmp_path / "etc"])

    assert (settings.max_starts, settings.guard_budget_s) == (5, 90.0)


def test_the_environment_wins_over_files(tmp_path: Path) -> None:
    file = write(tmp_path, "a.toml", "metrics_port = 9100\n")

    settings = load(file, env={"SUREFOOT_AGENT_METRICS_PORT": "9200", "SUREFOOT_AGENT_STATE_DIR": "/srv/x"})

    assert (settings.metrics_port, settings.state_dir) == (9200, Path("/srv/x"))


def test_tables_of_several_sources_are_joined_key_by_key(tmp_path: Path) -> None:
    write(tmp_path, "a.toml", 'app_env = {PATH = "/bin", A = "1"}\n')
    write(tmp_path, "b.toml", 'app_env = {A = "2"}\n')

    settings = load(env={"SUREFOOT_AGENT_APP_ENV": "B='two words'"}, dirs=[tmp_path])

    assert settings.app_env == {"PATH": "/bin", "A": "2", "B": "two words"}


def test_a_file_given_by_hand_replaces_the_drop_ins(tmp_path: Path) -> None:
    write(tmp_path / "etc", "a.toml", "max_starts = 9\n")
    file = write(tmp_path, "own.toml", "guard_budget_s = 60\n")

    assert load(file, env={}, dirs=[tmp_path / "etc"]).max_starts == Settings().max_starts


def test_an_unknown_key_is_named_with_its_file_and_a_guess(tmp_path: Path) -> None:
    file = write(tmp_path, "typo.toml", "guard_budget = 60\n")

    with pytest.raises(ConfigError) as caught:
        load(file, env={})

    assert caught.value.kind == "config_unknown_key"
    assert "guard_budget" in caught.value.message
    assert str(file) in caught.value.message
    assert "guard_budget_s" in caught.value.hint


def test_an_unknown_variable_of_the_environment_is_named() -> None:
    with pytest.raises(ConfigError, match="SUREFOOT_AGENT_STATE_DIRR") as caught:
        load(env={"SUREFOOT_AGENT_STATE_DIRR": "/x"}, dirs=[])

    assert caught.value.kind == "config_unknown_key"


@pytest.mark.parametrize(
    "line",
    [
        "max_starts = 0",
        "max_starts = 2.5",
        "max_starts = true",
        'max_starts = "3"',
        "guard_budget_s = nan",
        "guard_budget_s = inf",
        "metrics_port = 65536",
        'state_dir = "relative/path"',
        "state_dir = 3",
        'component = "Upper Case"',
        'log_level = "LOUD"',
        "app_env = {A = 1}",
        'app_env = "A=1"',
        "restart_delay_s = 100",
    ],
)
def test_a_value_of_wrong_type_or_range_is_refused_and_named(line: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=line.split(" ")[0]) as caught:
        load(write(tmp_path, "bad.toml", line), env={})

    assert caught.value.kind == "config_invalid"


@pytest.mark.parametrize(("name", "text"), [("MAX_STARTS", "many"), ("APP_ENV", "novalue"), ("APP_ENV", "A='open")])
def test_a_malformed_variable_is_refused_and_named(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"SUREFOOT_AGENT_{name}"):
        load(env={f"SUREFOOT_AGENT_{name}": text}, dirs=[])


@pytest.mark.parametrize(
    "text",
    [
        'app_env = {X = "a\\u0000b"}',
        'metrics_file = "/run/a\\u0000b"',
        'app_socket_dir = "/run/a\\u0000b"',
        '[components.app]\nslot_a = "/dev/a\\u0000b"',
        '[components.app]\nboot_script = "/usr/bin/a\\u0000b"',
        '[components.app.app_env]\nX = "a\\u0000b"',
    ],
)
def test_what_the_kernel_would_end_at_a_nul_is_refused_at_load(text: str, tmp_path: Path) -> None:
    file = write(tmp_path, "nul.toml", text)

    with pytest.raises(ConfigError, match="holds a NUL") as caught:
        load(file, env={})

    assert str(file) in caught.value.message


def test_broken_toml_names_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "broken.toml", "max_starts = = 3")

    with pytest.raises(ConfigError, match=str(file)) as caught:
        load(file, env={})

    assert caught.value.kind == "config_unreadable"


def test_bytes_that_are_no_text_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigError, match=r"binary\.toml"):
        load(tmp_path / "binary.toml", env={})


def test_a_missing_file_given_by_hand_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml") as caught:
        load(tmp_path / "absent.toml", env={})

    assert caught.value.kind == "config_unreadable"


def test_the_component_is_with_whoever_may_write_it() -> None:
    one, two = Settings(), Settings(helper_socket="/run/h.sock", app_socket_dir="/run/surefoot-app")

    assert one.component_dir("app") == Path("/var/lib/surefoot/app")
    assert two.component_dir("app") == Path("/var/lib/surefoot-helper/app")
    assert (one.app_socket("app"), two.app_socket("app")) == (
        Path("/var/lib/surefoot/app/app.sock"),
        Path("/run/surefoot-app/app.sock"),
    )


def test_a_user_that_could_be_no_user_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('app_user = "root; rm"\n')

    with pytest.raises(ConfigError, match="app_user"):
        load(file, {})


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("guard_budget_s = 95\nwatchdog_s = 90\n", ("95 s", "90 s")),
        ("guard_budget_s = 90\nwatchdog_s = 90\n", ("90 s", "90 s")),
        ("guard_budget_s = 60\ncheck_timeout_s = 60\n", ("60 s", "60 s")),
    ],
)
def test_budgets_that_can_never_fit_are_refused_with_both_numbers(
    tmp_path: Path, text: str, numbers: tuple[str, str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, "own.toml", text), env={})

    assert all(number in caught.value.message for number in numbers)


def test_a_watchdog_that_leaves_the_guard_its_time_is_taken(tmp_path: Path) -> None:
    assert load(write(tmp_path, "own.toml", "guard_budget_s = 80\nwatchdog_s = 90\n"), env={}).watchdog_s == 90.0


def test_a_switch_is_on_or_off(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="on or off"):
        load(write(tmp_path, "own.toml", 'greenboot = "yes"\n'), env={})


def test_without_a_table_the_device_has_one_directory_component(tmp_path: Path) -> None:
    file = write(tmp_path, "a.toml", 'component = "model"\nguard_budget_s = 60\nmetrics_port = 9100\n')

    (component,) = components_of(load(file, env={}))

    assert (component.name, component.kind, component.boot) == ("model", "directory", "symlink")
    assert (component.guard_budget_s, component.max_starts, component.metrics_port) == (60.0, 3, 9100)


def test_what_a_component_says_wins_and_the_rest_comes_from_the_device(tmp_path: Path) -> None:
    write(tmp_path, "a.toml", "max_starts = 5\napp_env = {A = '1', B = '1'}\nmetrics_port = 9100\n[components.app]\n")
    write(tmp_path, "b.toml", "[components.model]\nguard_budget_s = 30\napp_env = {B = '2'}\n")

    app, model = components_of(load(env={}, dirs=[tmp_path]))

    assert (app.name, app.guard_budget_s, app.max_starts) == ("app", 180.0, 5)
    assert (model.name, model.guard_budget_s, model.max_starts) == ("model", 30.0, 5)
    assert (app.app_env, model.app_env) == ({"A": "1", "B": "1"}, {"A": "1", "B": "2"})
    assert (app.metrics_port, model.metrics_port) == (0, 0)  # one port cannot serve two


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[components.app]\nkind = "jar"\n', "kind in [components.app]"),
        ('[components.app]\nboot = "bios"\n', "one of symlink"),
        ("[components.app]\nguard_budget_s = 2\n", "components.app.guard_budget_s is 2; the least is 5"),
        ("[components.App]\n", "lower-case"),
        ("[components.joint]\n", "another name"),
        ("components = 3\n", "[components.NAME]"),
        ("components = {app = 3}\n", "[components.NAME]"),
        ('component = "model"\n[components.app]\n', "the tables are app"),
        ("[components.app]\nbooot = 1\n", "[components.app] of"),
    ],
)
def test_a_component_that_cannot_be_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    file = write(tmp_path, "a.toml", text)

    with pytest.raises(ConfigError) as caught:
        load(file, env={})

    assert named in caught.value.message


def test_a_device_in_two_halves_refuses_at_load_what_only_an_agent_with_rights_can_serve(tmp_path: Path) -> None:
    root = '[components.rootfs]\nkind = "image"\nboot = "uboot"\nslot_a = "/dev/a"\nslot_b = "/dev/b"\n'
    assert load(write(tmp_path, "whole.toml", root), env={}).components

    assert load(write(tmp_path, "split.toml", f'helper_socket = "/run/helper.sock"\n{root}'), env={}).components

    module = '[components.packages]\nkind = "module"\n'
    with pytest.raises(ConfigError, match=r"components\.packages is of kind module; two halves serve") as caught:
        load(write(tmp_path, "module.toml", f'helper_socket = "/run/helper.sock"\n{module}'), env={})

    assert "helper_socket" in caught.value.hint
