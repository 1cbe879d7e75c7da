"""What each kind of health check may be told: its parameters with type and range; docs/health.md is made from it.

Promises: `problem` names the first parameter that is unknown, missing, of the wrong type or out of range; a release is
checked against it where it is built and once more on the device, before anything of it is fetched. A misspelt bound
would otherwise be a check that never fails.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from surefoot_shared.paths import check_tree_path
from surefoot_shared.release import CheckKind, HealthCheck, Manifest

Value = str | float
PORT = "port or {metrics_port}"


@dataclass(frozen=True)
class Param:
    """`unit` is what the value is in; those of `TEXTS` are texts. Both ends belong to the range."""

    key: str
    unit: str
    meaning: str
    low: float = 0.0
    high: float = math.inf
    required: bool = False

    @property
    def is_text(self) -> bool:
        return self.unit in TEXTS


@dataclass(frozen=True)
class Spec:
    """One kind: what it proves, what it may be told, an example for a recipe, pairs of which the first is the lower."""

    proves: str
    params: tuple[Param, ...]
    example: str
    ordered: tuple[tuple[str, str], ...] = ()


TEXTS = ("text", "url", "program of the release", "unit name", "labels")
RELATIVE = "of what was measured just before the update"
_URL = Param("url", "url", "Address; `{metrics_port}` stands for the port that the device assigned.", required=True)

SPECS: Mapping[CheckKind, Spec] = {
    CheckKind.PROCESS: Spec(
        "The application's process runs from the new slot, as /proc shows executable and working directory.",
        (
            Param("min_uptime_s", "s", "Runs for at least so long."),
            Param("min_processes", "processes", "At least so many processes of the application live.", 1, 10_000),
        ),
        "min_processes = 2",
    ),
    CheckKind.HTTP: Spec(
        "The application answers. An address on this machine counts only while the application itself listens there.",
        (
            _URL,
            Param("status", "status", "Status that is expected; 200 by default.", 100, 599),
            Param("contains", "text", "Text that the answer must contain."),
            Param("max_answer_s", "s", "Longest time to the whole answer."),
            Param("max_answer_ratio", "ratio", f"Longest time to the whole answer, {RELATIVE}."),
        ),
        'url = "http://127.0.0.1:{metrics_port}/healthz", max_answer_s = 1',
    ),
    CheckKind.TCP: Spec(
        "Something accepts connections; on this machine only the application itself counts.",
        (
            Param("host", "text", "Host; 127.0.0.1 by default."),
            Param("port", "port", "Port, or `{metrics_port}`.", 1, 65535, required=True),
        ),
        'host = "10.0.0.5", port = 554',
    ),
    CheckKind.UNIT: Spec(
        "A systemd unit is active and does not restart again and again. A machine without systemd fails it, in words.",
        (
            Param("unit", "unit name", "Name with its ending, as in `gpsd.service`.", required=True),
            Param("active_s", "s", "Active for at least so long."),
            Param("max_restarts", "restarts", "Restarts by systemd since the first look; 0 by default.", 0, 1000),
        ),
        'unit = "nvargus-daemon.service", active_s = 10, max_restarts = 1',
    ),
    CheckKind.METRIC: Spec(
        "A number is within its bounds: of the application's Prometheus page, or without `url` of the device itself "
        "(`node_…`, `soc_temperature_c`). Every series of that name must hold; one that does not is named.",
        (
            Param("url", "url", "The application's Prometheus page; without it the device's own metrics."),
            Param("metric", "text", "Name of the metric.", required=True),
            Param("labels", "labels", "Only series with these labels: `name=value,name=value`."),
            Param("min", "as the metric", "Lowest value.", -math.inf),
            Param("max", "as the metric", "Highest value.", -math.inf),
            Param("min_ratio", "ratio", f"Lowest value, {RELATIVE}."),
            Param("max_ratio", "ratio", f"Highest value, {RELATIVE}."),
            Param("max_delta", "as the metric", "Most that it may lie above what was measured just before the update."),
            Param("max_drop", "as the metric", "Most that it may lie below what was measured just before the update."),
        ),
        'url = "http://127.0.0.1:{metrics_port}/metrics", metric = "inference_p95_s", max = 0.2, max_ratio = 1.3',
        (("min", "max"), ("min_ratio", "max_ratio")),
    ),
    CheckKind.CAMERA: Spec(
        "The camera pipeline delivers live pictures, each stream judged by itself and named. Counters are compared "
        "between two looks. A stream that failed before the update too does not fail the release, another does; "
        "fewer live streams than before fail it.",
        (
            _URL,
            Param("min_fps", "1/s", "Lowest `camera_fps` of each stream."),
            Param("max_fps", "1/s", "Highest `camera_fps`: a source that races is broken too."),
            Param("min_fps_ratio", "ratio", f"Lowest `camera_fps`, {RELATIVE}."),
            Param("max_fps_ratio", "ratio", f"Highest `camera_fps`, {RELATIVE}."),
            Param("max_frame_age_s", "s", "Highest `camera_frame_age_s`."),
            Param(
                "max_frozen_ratio",
                "ratio",
                "Frames identical to the one before, of those processed; 0.5 by default.",
                0,
                1,
            ),
            Param(
                "max_black_ratio",
                "ratio",
                "Black frames of those processed; not judged by default: nights are dark.",
                0,
                1,
            ),
            Param(
                "min_processed_ratio",
                "ratio",
                "Processed of captured frames: a pipeline that skips all looks fast.",
                0,
                1,
            ),
            Param("max_restarts", "restarts", "Rise of `camera_restarts_total` since the first look.", 0, 1000),
            Param("streams", "streams", "Live streams that there must be.", 1, 1000),
            Param(
                "cycles",
                "cycles",
                "Stop and start the pipeline so often, one a look, frames must follow each time.",
                1,
                20,
            ),
            Param("cycle_url", "url", "Address of the application that stops and starts the pipeline on POST."),
        ),
        'url = "http://127.0.0.1:{metrics_port}/metrics", min_fps = 5, max_frame_age_s = 2, streams = 4',
        (("min_fps", "max_fps"), ("min_fps_ratio", "max_fps_ratio")),
    ),
    CheckKind.COMMAND: Spec(
        "A program of the release ends with 0. It is read and compared with its signed hash just before it is run, in "
        "its slot, without a shell, as the agent's user; its whole process group ends with the look.",
        (
            Param(
                "command",
                "program of the release",
                "Path inside the release and arguments, split as a shell would, never run by one.",
                required=True,
            ),
        ),
        'command = "bin/self-test --quick"',
    ),
    CheckKind.UPLINK: Spec(
        "The device can still be updated: a new TLS handshake with its own certificate, a message that the broker "
        "acknowledges, an answer where artifacts come from. What it decides is the setting `uplink` of the device.",
        (),
        "",
    ),
}


def problem(check: HealthCheck) -> str | None:
    """Return what is wrong with the parameters of a check, None where nothing is."""
    spec = SPECS[check.kind]
    known = {param.key: param for param in spec.params}
    for key in check.params:
        if key not in known:
            return f"check {check.name}: params has an unknown key {key!r}; known are {', '.join(known) or 'none'}"
    for param in spec.params:
        if param.key not in check.params:
            if param.required:
                return f"check {check.name}: params.{param.key} is missing"
            continue
        wrong = _wrong(param, check.params[param.key])
        if wrong:
            return f"check {check.name}: params.{param.key} {wrong}"
    return _together(check, spec)


def first_problem(manifest: Manifest) -> str | None:
    """Return the first thing that is wrong with the checks of a release."""
    names = [check.name for check in manifest.checks]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        return f"two checks are named {twice}"
    found = next((text for text in map(problem, manifest.checks) if text), None)
    return found or next((text for text in (_not_shipped(check, manifest) for check in manifest.checks) if text), None)


def boundless(check: HealthCheck) -> bool:
    """A number that nothing bounds passes whatever it is: such a check is built by nobody on purpose."""
    bounds = {"min", "max", "min_ratio", "max_ratio", "max_delta", "max_drop"}
    return check.kind is CheckKind.METRIC and not bounds & check.params.keys()


def program_of(command: str) -> tuple[str, ...]:
    """Split a command; raises ValueError unless its program is a path inside the tree."""
    words = tuple(shlex.split(command))
    check_tree_path(words[0] if words else "")
    return words


def _wrong(param: Param, value: Value) -> str | None:
    if param.is_text:
        return _wrong_text(param, value)
    if param.unit == "port" and value == "{metrics_port}":
        return None
    if isinstance(value, str):
        return f"must be a number, not {value!r}"
    if not param.low <= value <= param.high or not math.isfinite(value):
        return f"is {value:g}; allowed is {param.low:g} to {param.high:g}"
    return None


def _wrong_text(param: Param, value: Value) -> str | None:
    if not isinstance(value, str) or not value:
        return f"must be a text, not {value!r}"
    if "\0" in value:
        return "holds a NUL"
    if param.unit == "url" and not value.startswith("http://"):
        return f"is {value!r}; it must begin with http://"
    if param.unit == "unit name" and (value.startswith("-") or "/" in value or "." not in value or " " in value):
        return f"is {value!r}; it must be a unit with its ending, as in gpsd.service"
    if param.unit == "labels" and not all("=" in part for part in value.split(",")):
        return f"is {value!r}; it must be name=value,name=value"
    if param.unit == "program of the release":
        try:
            program_of(value)
        except ValueError as error:
            return f"is {value!r}: {error}"
    return None


def _together(check: HealthCheck, spec: Spec) -> str | None:
    for low, high in spec.ordered:
        if low in check.params and high in check.params and float(check.params[low]) > float(check.params[high]):
            return f"check {check.name}: params.{low} is above params.{high}"
    if ("cycles" in check.params) != ("cycle_url" in check.params):
        return f"check {check.name}: params.cycles and params.cycle_url go together"
    return None


def _not_shipped(check: HealthCheck, manifest: Manifest) -> str | None:
    if check.kind is not CheckKind.COMMAND:
        return None
    program = program_of(str(check.params["command"]))[0]
    if program not in {file.path for file in manifest.files if file.mode == 0o755}:
        return f"check {check.name}: {program} is not an executable file of the release"
    return None
