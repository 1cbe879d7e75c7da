"""Settings of any program: sources in order, and one sentence for whatever is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from surefoot_shared.errors import ConfigError
from surefoot_shared.settings import Setting, Table, drop_ins, log_level


@dataclass(frozen=True)
class Sample:
    folder: Path = Path("/var/lib/sample")
    port: int = 80
    wait_s: float = 1.5
    level: str = "INFO"
    free: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


TABLE = Table(
    Sample,
    "SAMPLE_",
    (
        Setting("folder", "path", "Where."),
        Setting("port", "port", "Which.", 1, 65535),
        Setting("wait_s", "s", "How long.", 0, 10),
        Setting("level", "level", "How loud.", rule=log_level),
        Setting("free", "text", "Whatever."),
        Setting("env", "table", "What else."),
    ),
)


def toml(folder: Path, text: str, name: str = "a.toml") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_every_row_carries_its_default() -> None:
    assert {row.key: row.default for row in TABLE.rows}["wait_s"] == 1.5


def test_files_yield_to_the_environment_and_that_to_the_command_line(tmp_path: Path) -> None:
    file = toml(tmp_path, "port = 1\nwait_s = 1\n")

    settings = TABLE.load([file], {"SAMPLE_PORT": "2", "SAMPLE_WAIT_S": "2"}, {"port": 3})

    assert (settings.port, settings.wait_s) == (3, 2.0)


def test_tables_are_merged_key_by_key(tmp_path: Path) -> None:
    files = [toml(tmp_path, '[env]\nA = "1"\nB = "1"\n'), toml(tmp_path, '[env]\nB = "2"\n', "b.toml")]

    assert TABLE.load(files, {"SAMPLE_ENV": "C='two words'"}).env == {"A": "1", "B": "2", "C": "two words"}


def test_none_on_the_command_line_says_nothing() -> None:
    assert TABLE.load([], {}, {"port": None}).port == 80


def test_drop_ins_come_folder_by_folder_in_the_order_of_their_names(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    paths = [toml(first, "", "20.toml"), toml(first, "", "10.toml"), toml(second, "", "05.toml")]
    toml(first, "", "notes.txt")

    assert drop_ins([first, second, tmp_path / "absent"]) == [paths[1], paths[0], paths[2]]


def test_a_relative_path_is_taken_from_the_command_line_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert TABLE.load([], {}, {"folder": "data"}).folder == tmp_path / "data"
    with pytest.raises(ConfigError, match="absolute path"):
        TABLE.load([], {"SAMPLE_FOLDER": "data"})


@pytest.mark.parametrize(
    ("name", "text"), [("FOLDER", "/data\0x"), ("FREE", "a\0b"), ("ENV", "X='a\0b'"), ("ENV", "'X\0Y'=b")]
)
def test_a_nul_is_refused_where_it_is_read(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match="holds a NUL") as refused:
        TABLE.load([], {f"SAMPLE_{name}": text})

    assert "\0" not in refused.value.message


@pytest.mark.parametrize(
    ("text", "kind", "named"),
    [
        ("prot = 1", "config_unknown_key", "unknown key prot"),
        ('port = "80"', "config_invalid", "whole number"),
        ("port = 0", "config_invalid", "1 to 65535"),
        ("port = true", "config_invalid", "port"),
        ("port = 1.5", "config_invalid", "whole number"),
        ("wait_s = inf", "config_invalid", "wait_s"),
        ('level = "LOUD"', "config_invalid", "one of DEBUG"),
        ("level = 3", "config_invalid", "must be a text"),
        ('env = "A=1"', "config_invalid", "table"),
        ("env = {A = 1}", "config_invalid", "table of texts"),
        ('env = {X = "a\\u0000b"}', "config_invalid", "X of env"),
        ('env = {"X\\u0000Y" = "b"}', "config_invalid", "NUL"),
        ('env = {"X=Y" = "b"}', "config_invalid", "'X=Y'"),
        ('env = {"" = "b"}', "config_invalid", "not empty"),
        ('free = "a\\u0000b"', "config_invalid", "NUL"),
        ("folder = 1", "config_invalid", "path"),
        ("port = ", "config_unreadable", "no TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_the_file(tmp_path: Path, text: str, kind: str, named: str) -> None:
    file = toml(tmp_path, text)

    with pytest.raises(ConfigError) as refused:
        TABLE.load([file], {})

    assert refused.value.kind == kind
    assert named in refused.value.message
    assert str(file) in refused.value.message


@pytest.mark.parametrize(("name", "text"), [("SAMPLE_PORT", "eighty"), ("SAMPLE_ENV", "A"), ("SAMPLE_POORT", "1")])
def test_what_is_wrong_in_the_environment_is_named(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=name):
        TABLE.load([], {name: text})


def test_a_near_miss_is_answered_with_what_was_meant() -> None:
    with pytest.raises(ConfigError) as refused:
        TABLE.load([], {"SAMPLE_PORTS": "1"})

    assert "Did you mean port?" in refused.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        TABLE.load([tmp_path / "absent.toml"], {})


def test_a_field_without_its_row_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="its row"):
        Table(Sample, "SAMPLE_", (Setting("port", "port", "Which."),))


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 3000, ".".join("a" * 5000) + " = 1", "# comment\n" * 30_000],
    ids=["nested without end", "a key of 5,000 parts", "huge"],
)
def test_a_file_that_would_take_the_readers_memory_or_stack_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TABLE.load([toml(tmp_path, text)], {})

    assert caught.value.kind == "config_unreadable"


@dataclass(frozen=True)
class Part:
    size: int = 1
    name: str = ""


@dataclass(frozen=True)
class Whole:
    parts: Mapping[str, Part] = field(default_factory=dict)


def _short(text: str) -> str | None:
    return None if len(text) < 4 else "shorter"


PARTS = Table(Part, "", (Setting("size", "mm", "How large.", 1, 9),), derived="name")
WHOLE = Table(Whole, "WHOLE_", (Setting("parts", "tables", "What of.", rule=_short, each=PARTS),))


def test_named_tables_become_values_joined_key_by_key_over_all_sources(tmp_path: Path) -> None:
    first = toml(tmp_path, "[parts.a]\nsize = 2\n[parts.b]\n", "a.toml")
    second = toml(tmp_path, "[parts.a]\nsize = 3\n[parts.c]\nsize = 4\n", "b.toml")

    assert WHOLE.load([first, second], {}).parts == {"a": Part(3), "b": Part(1), "c": Part(4)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[parts.a]\nsize = 12\n", r"size in \[parts\.a\] of .*a\.toml is 12 mm"),
        ("[parts.a]\nwidth = 1\n", r"\[parts\.a\] of .*a\.toml has the unknown key width"),
        ("[parts.a]\nname = 'x'\n", "unknown key name"),
        ("[parts.long]\n", "must be shorter"),
        ("parts = [1]\n", r"must be tables: \[parts\.NAME\]"),
    ],
)
def test_a_named_table_that_is_wrong_is_named_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        WHOLE.load([toml(tmp_path, text)], {})


def test_named_tables_cannot_be_set_in_the_environment() -> None:
    with pytest.raises(ConfigError, match="write it in a file"):
        WHOLE.load([], {"WHOLE_PARTS": "a=1"})
