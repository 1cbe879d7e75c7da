from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot_shared.checks import SPECS, first_problem, problem, program_of
from surefoot_shared.release import CheckKind, HealthCheck, Manifest, TreeFile

try:
    import tomllib
except ImportError:
    import tomli as tomllib  # type: ignore[import-not-found, no-redef, unused-ignore]

URL = "http://127.0.0.1:{metrics_port}/metrics"
WHOLE = Manifest(
    "app", "1.0", 1, 0, ("rpi5",), (TreeFile("bin/test", 0o755, 1, "0" * 64), TreeFile("x", 0o644, 1, "1" * 64))
)


def check(kind: CheckKind, name: str = "c", **params: str | float) -> HealthCheck:
    return HealthCheck(name, kind, params=params)


@pytest.mark.parametrize("kind", CheckKind)
def test_every_kind_says_what_it_proves_and_its_example_is_valid(kind: CheckKind) -> None:
    spec = SPECS[kind]
    params = tomllib.loads(f"params = {{ {spec.example} }}")["params"]

    assert spec.proves.endswith(".")
    assert problem(check(kind, **params)) is None
    assert all(param.meaning.endswith(".") for param in spec.params)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (check(CheckKind.CAMERA, url=URL, min_fsp=5), "unknown key 'min_fsp'; known are url, min_fps"),
        (check(CheckKind.PROCESS, url=URL), "unknown key 'url'"),
        (check(CheckKind.UPLINK, url=URL), "known are none"),
        (check(CheckKind.HTTP), "params.url is missing"),
        (check(CheckKind.TCP), "params.port is missing"),
        (check(CheckKind.METRIC, url=URL), "params.metric is missing"),
        (check(CheckKind.COMMAND), "params.command is missing"),
        (check(CheckKind.UNIT), "params.unit is missing"),
        (check(CheckKind.CAMERA, url=URL, min_fps="fast"), "params.min_fps must be a number, not 'fast'"),
        (check(CheckKind.CAMERA, url=URL, max_frozen_ratio=1.5), "params.max_frozen_ratio is 1.5; allowed is 0 to 1"),
        (check(CheckKind.CAMERA, url=URL, min_fps=-1), "params.min_fps is -1"),
        (check(CheckKind.CAMERA, url=URL, min_fps=9, max_fps=8), "params.min_fps is above params.max_fps"),
        (check(CheckKind.CAMERA, url=URL, cycles=2), "cycles and params.cycle_url go together"),
        (check(CheckKind.METRIC, url=URL, metric="x", min=9, max=8), "params.min is above params.max"),
        (check(CheckKind.METRIC, url=URL, metric="x", labels="north"), "name=value"),
        (check(CheckKind.METRIC, url=URL, metric="a\0b"), "params.metric holds a NUL"),
        (check(CheckKind.METRIC, url=URL, metric=5), "params.metric must be a text, not 5"),
        (check(CheckKind.HTTP, url="https://elsewhere/"), "must begin with http://"),
        (check(CheckKind.HTTP, url=URL, status=42), "params.status is 42; allowed is 100 to 599"),
        (check(CheckKind.TCP, port="http"), "params.port must be a number"),
        (check(CheckKind.TCP, port=70000), "params.port is 70000"),
        (check(CheckKind.UNIT, unit="--no-block"), "must be a unit"),
        (check(CheckKind.UNIT, unit="../x.service"), "must be a unit"),
        (check(CheckKind.COMMAND, command="/bin/sh -c reboot"), "is not a path inside the tree"),
        (check(CheckKind.COMMAND, command="../../bin/true"), "is not a path inside the tree"),
        (check(CheckKind.COMMAND, command="bin/test 'open"), "No closing quotation"),
    ],
)
def test_a_wrong_parameter_is_named(wrong: HealthCheck, words: str) -> None:
    found = problem(wrong)

    assert found is not None
    assert found.startswith("check c: params")
    assert words in found


def test_the_port_of_the_metrics_stands_for_a_port() -> None:
    assert problem(check(CheckKind.TCP, port="{metrics_port}")) is None


def test_a_command_that_the_release_does_not_ship_as_a_program_is_refused() -> None:
    missing = replace(WHOLE, checks=(check(CheckKind.COMMAND, command="bin/absent"),))
    no_program = replace(WHOLE, checks=(check(CheckKind.COMMAND, command="x"),))
    whole = replace(WHOLE, checks=(check(CheckKind.COMMAND, command="bin/test --quick"),))

    assert first_problem(missing) == "check c: bin/absent is not an executable file of the release"
    assert first_problem(no_program) == "check c: x is not an executable file of the release"
    assert first_problem(whole) is None


def test_two_checks_of_one_name_are_refused_because_one_would_hide_the_other() -> None:
    assert first_problem(replace(WHOLE, checks=(check(CheckKind.PROCESS), check(CheckKind.PROCESS)))) == (
        "two checks are named c"
    )


def test_words_of_a_command_are_split_and_never_a_shells() -> None:
    assert program_of("bin/test 'two words' $HOME;reboot") == ("bin/test", "two words", "$HOME;reboot")
