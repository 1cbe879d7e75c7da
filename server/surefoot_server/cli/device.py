"""`surefoot device`: see devices, why one is not updating, ask them, tag them, let them in."""

from __future__ import annotations

import base64
from pathlib import Path

import click

from surefoot_server.cli import admission, questions, shown
from surefoot_server.cli.feedback import flag_device
from surefoot_server.cli.params import NAME, TAG, path
from surefoot_server.cli.selection import retag, selection_options
from surefoot_server.cli.terminal import Terminal, Verbs, columns, facts, json_option, pass_terminal
from surefoot_shared import wire

LINES = 10
"""Of a log in a revert report; `--json` has all that the device sent."""
MOST_TAGS = 50
"""As many as the server keeps for a device."""


@click.group(cls=Verbs)
def device() -> None:
    """See devices, and why one is not updating.

    \b
    Example:
      surefoot device list
      surefoot device why cam-17
    """


@device.command("list")
@selection_options
@json_option
@pass_terminal
def list_devices(terminal: Terminal, query: str, cohort: str, standing: str | None) -> None:
    """List devices with what they run and what is wanted.

    \b
    Example:
      surefoot device list -q jetson --is attention
      surefoot device list --cohort "country == 'VN' and not tag('lab')"
    """
    with terminal.api() as api:
        answer = api.get("/devices", **{"q": query, "cohort": cohort, "is": standing})
    rows = []
    for found in shown.many(shown.Device, answer):
        for part in found.components or (None,):
            runs = _runs(part) if part else "nothing known"
            wanted = part.wanted if part and part.wanted != part.release else ""
            rows.append(
                (found.id, found.hw, _presence(found), runs, wanted, part.state if part else "", found.attention)
            )
    terminal.data(answer, columns(("DEVICE", "HARDWARE", "IS", "RUNS", "WANTED", "STATE", "ATTENTION"), rows))


@device.command()
@click.argument("device_id", metavar="DEVICE", type=NAME)
@json_option
@pass_terminal
def show(terminal: Terminal, device_id: str) -> None:
    """Show one device: what it runs, its attempts, what needs attention.

    \b
    Example:
      surefoot device show cam-17
    """
    with terminal.api() as api:
        answer = api.get(path("devices", device_id))
    found = wire.from_json(shown.Device, answer)
    block = facts(
        [
            ("Device", found.id),
            ("Hardware", found.hw),
            ("Is", f"{_presence(found)}, last heard {shown.when(found.last_seen_at) or 'never'}"),
            ("Tags", ", ".join(found.tags)),
            ("Attributes", ", ".join(f"{name}={value}" for name, value in sorted(found.attributes.items()))),
            ("Attention", f"{found.attention}: {found.attention_message}" if found.attention else ""),
        ]
    )
    parts = columns(
        ("COMPONENT", "RUNS", "SLOT", "WANTED", "STATE"),
        [(c.component, c.release or c.digest, c.slot, c.wanted, c.state) for c in found.components],
    )
    tried = columns(
        ("OFFERED", "RELEASE", "INTENT", "ROLLOUT", "STANDS AT", "WHY"),
        [
            (shown.when(a.offered_at), a.release, a.intent, a.rollout, a.outcome or a.state, a.message or a.reason)
            for a in found.assignments[:10]
        ],
    )
    terminal.data(answer, "\n\n".join([block, parts, tried, *_reverts(found)]))


@device.command()
@click.argument("device_id", metavar="DEVICE", type=NAME)
@click.option("--component", default="", help="Which component; each of them if not given.")
@json_option
@pass_terminal
def why(terminal: Terminal, device_id: str, component: str) -> None:
    """Say in one sentence why a device is (not) updating.

    \b
    Example:
      surefoot device why cam-17
    """
    with terminal.api() as api:
        found = wire.from_json(shown.Device, api.get(path("devices", device_id)))
        names = [component] if component else [part.component for part in found.components] or [""]
        answers = {name: api.get(path("devices", device_id, "why"), component=name) for name in names}
    said = {name: wire.from_json(shown.Why, answer).sentence for name, answer in answers.items()}
    if len(names) == 1:
        terminal.data(answers[names[0]], said[names[0]])
    else:
        terminal.data({"components": answers}, "\n".join(f"{name}: {sentence}" for name, sentence in said.items()))


@device.command()
@click.argument("device_id", metavar="DEVICE", type=NAME)
@json_option
@pass_terminal
def letters(terminal: Terminal, device_id: str) -> None:
    """List messages of a device that were put aside: forged, unreadable, or refused by the store.

    With --json, each with its first 2 kB in base64.

    \b
    Example:
      surefoot device letters cam-17
    """
    with terminal.api() as api:
        answer = api.get(path("devices", device_id, "letters"))
    found = shown.many(shown.Letter, answer)
    rows = [
        (shown.when(one.last_at), one.topic.rpartition("/")[2], one.count, one.sha256[:12], one.error) for one in found
    ]
    text = (
        columns(("LAST", "CHANNEL", "COUNT", "SHA256", "WHY"), rows)
        if rows
        else f"Nothing of {device_id} was put aside."
    )
    terminal.data(answer, text)


@device.command()
@click.argument("device_id", metavar="DEVICE", type=NAME)
@click.argument("tags", nargs=-1, type=TAG)
@json_option
@pass_terminal
def tag(terminal: Terminal, device_id: str, tags: tuple[str, ...]) -> None:
    """Give the device these tags instead of those it has; without any, it has none afterwards.

    \b
    Example:
      surefoot device tag cam-17 lab
    """
    if len(tags) > MOST_TAGS:
        raise click.UsageError(f"{len(tags)} tags are given; {MOST_TAGS} are allowed.")
    with terminal.api() as api:
        answer = api.put(path("devices", device_id, "tags"), {"tags": list(tags)})
    terminal.data(answer, f"{device_id} is tagged {', '.join(tags) or 'with nothing'}.")


@device.command()
@click.argument("device_id", metavar="DEVICE", type=NAME)
@json_option
@pass_terminal
def acknowledge(terminal: Terminal, device_id: str) -> None:
    """Say that somebody has looked at what the device needs attention for; the mark goes away.

    \b
    Example:
      surefoot device acknowledge cam-17
    """
    with terminal.api() as api:
        answer = api.post(path("devices", device_id, "acknowledge"))
    terminal.data(answer, f"What {device_id} needed attention for is acknowledged.")


@device.command()
@click.argument("device_id", metavar="DEVICE", type=NAME)
@json_option
@pass_terminal
def approve(terminal: Terminal, device_id: str) -> None:
    """Let a device in that enrolled with a token made with --approve-later.

    \b
    Example:
      surefoot device approve cam-18
    """
    with terminal.api() as api:
        answer = api.post(path("enrolments", device_id, "approve"))
    terminal.data(answer, f"{device_id} may join.")


@device.command()
@click.argument("device_id", metavar="DEVICE", type=NAME)
@click.option("--release", "releases", multiple=True, required=True, help="COMPONENT/VERSION; in the order of start.")
@json_option
@pass_terminal
def assign(terminal: Terminal, device_id: str, releases: tuple[str, ...]) -> None:
    """Want one release on one device, or those of several components, activated as one or not at all.

    It belongs to no rollout, so nothing but the device's own checks judges it: for a laboratory, or for one device,
    such as one without network, to which `surefoot device bundle` carries it.

    \b
    Example:
      surefoot device assign cam-17 --release app/2.0
      surefoot device assign cam-17 --release model/7 --release app/2.0
    """
    with terminal.api() as api:
        answer = api.post(path("devices", device_id, "sets"), {"releases": list(releases)})
    together = ", as one or not at all" if len(releases) > 1 else ""
    terminal.data(answer, f"{device_id} shall run {', '.join(releases)}{together}.")


@device.command()
@click.argument("device_id", metavar="DEVICE", type=NAME)
@click.option("--out", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@json_option
@pass_terminal
def bundle(terminal: Terminal, device_id: str, out: Path) -> None:
    """Write a device's bundle to a file, to be applied there with `surefoot-agent apply`.

    \b
    Example:
      surefoot device bundle cam-17 -o /media/stick/cam-17.bundle
    """
    with terminal.api() as api:
        answer = api.get(path("devices", device_id, "bundle"))
    raw = base64.b64decode(wire.from_json(shown.Bundle, answer).bundle)
    out.write_bytes(raw)
    terminal.data({"device": device_id, "file": str(out), "bytes": len(raw)}, f"{out}: {len(raw)} bytes")


for _command in (
    admission.pending,
    admission.refuse,
    admission.preauthorise,
    admission.preauthorised,
    admission.replace,
    admission.revoke,
    questions.doctor,
    questions.logs,
    retag,
):
    device.add_command(_command)


device.add_command(flag_device)


def _reverts(found: shown.Device) -> list[str]:
    """The newest revert in full: what failed, what ended it, and the last lines of both logs."""
    newest = next((a for a in found.assignments if a.report is not None), None)
    if newest is None or newest.report is None:
        return []
    report = newest.report
    rows = [
        ("Reverted", newest.release),
        ("Check", report.check or ""),
        ("Because", report.message),
        ("Cause", report.cause),
        ("Start", str(report.start) if report.start else ""),
        ("Machine", f"started anew: {report.reset_cause}" if report.reset_cause else ""),
    ]
    checks = columns(
        ("CHECK", "RESULT", "TOOK", "WORDS"),
        [
            (c.name, c.result if c.required else f"{c.result} (wanted)", f"{c.took_s:.2f} s", shown.plain(c.message))
            for c in report.checks
        ],
    )
    tails = [("Application's last lines", report.log_tail), ("Kernel's last words", report.kernel_tail)]
    texts = [f"{name}:\n{_last_lines(text)}" for name, text in tails if text.strip()]
    return ["\n\n".join([facts(rows), *([checks] if report.checks else []), *texts])]


def _last_lines(text: str) -> str:
    """What a device sent is shown as text: no escape sequence of it reaches the terminal."""
    return "\n".join("  " + line for line in shown.plain(text).splitlines()[-LINES:])


def _runs(part: shown.Component) -> str:
    if part.release:
        return part.release[:40]
    return f"{part.component}/{part.digest[:12]}…" if part.digest else f"{part.component}: nothing known"


def _presence(found: shown.Device) -> str:
    return "revoked" if found.revoked else "online" if found.online else "offline"
