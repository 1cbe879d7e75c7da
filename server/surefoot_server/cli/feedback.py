"""Flags, advisories and hooks on the command line: what is said of a device or a release, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import DURATION, LIFETIME, NAME, Text, Whole, path, release_of
from surefoot_server.cli.terminal import Terminal, Verbs, columns, count, json_option, pass_terminal
from surefoot_shared import wire

reason_option = click.option(
    "--reason", type=Text(500), required=True, help="What is wrong; goes into the audit trail."
)
SHOWN = 5
"""Devices that a sentence names; `--json` has all."""


@dataclass(frozen=True)
class Flag:
    id: int
    at: str
    by: str
    device: str | None
    release: str | None
    reason: str
    withdrawn_at: str | None


@dataclass(frozen=True)
class Advisory:
    id: int
    release: str
    do: str
    devices: tuple[str, ...]
    stopped: tuple[str, ...]


@dataclass(frozen=True)
class Hook:
    id: str
    name: str
    do: str
    release: str | None
    rollout: str | None
    expires_at: str
    revoked_at: str | None
    uses: int
    signed: bool = False


@dataclass(frozen=True)
class NewHook:
    id: str
    path: str
    secret: str = ""


@click.command("flag")
@click.argument("device_id", metavar="DEVICE", type=NAME)
@reason_option
@json_option
@pass_terminal
def flag_device(terminal: Terminal, device_id: str, reason: str) -> None:
    """Say that something is wrong with a device: it counts against the releases that it runs.

    Enough flags hold or stop the rollout, as the `triggers` of its policy say.

    \b
    Example:
      surefoot device flag cam-17 --reason "counts people as cars since the update"
    """
    with terminal.api() as api:
        answer = api.post(path("devices", device_id, "flag"), {"reason": reason})
    made = shown.many(Flag, answer)
    against = " and ".join(str(f.release) for f in made)
    terminal.data(answer, f"{device_id} is flagged, against {against} (flag {', '.join(str(f.id) for f in made)}).")


@click.command("flag")
@click.argument("release", metavar="COMPONENT/VERSION", type=Text(100))
@reason_option
@json_option
@pass_terminal
def flag_release(terminal: Terminal, release: str, reason: str) -> None:
    """Say that something is wrong with a release: its rollouts stop as their policies state (hold by default).

    \b
    Example:
      surefoot release flag app/1.1 --reason "the counting line is mirrored"
    """
    with terminal.api() as api:
        answer = api.post(path("releases", *release_of(release), "flag"), {"reason": reason})
    made = wire.from_json(Flag, answer)
    terminal.data(answer, f"{release} is flagged (flag {made.id}).")


@click.command()
@click.argument("release", metavar="COMPONENT/VERSION", type=Text(100))
@reason_option
@click.option("--reference", type=Text(200), default="", help="Where it is described, such as a CVE number.")
@click.option(
    "--do",
    type=click.Choice(["hold", "halt", "revert"]),
    default="halt",
    show_default=True,
    help="At least this; the rollout's policy may ask for more.",
)
@json_option
@pass_terminal
def advisory(terminal: Terminal, release: str, reason: str, reference: str, do: str) -> None:
    """Stop the rollouts of a release that must not be installed any more, and name who runs it.

    \b
    Example:
      surefoot release advisory app/1.1 --reference CVE-2026-1234 --reason "remote code in the decoder" --do revert
    """
    body: dict[str, wire.Json] = {"reason": reason, "reference": reference, "do": do}
    with terminal.api() as api:
        answer = api.post(path("releases", *release_of(release), "advisory"), body)
    made = wire.from_json(Advisory, answer)
    named = ", ".join(made.devices[:SHOWN]) + (" and more" if len(made.devices) > SHOWN else "")
    runs = f"{count(len(made.devices), 'device')} {'runs' if len(made.devices) == 1 else 'run'} it"
    stopped = f"stopped: {', '.join(made.stopped)}" if made.stopped else "no rollout of it was running"
    terminal.data(answer, f"Advisory {made.id} against {release}: {stopped}. {runs}{': ' + named if named else ''}.")


@click.group(cls=Verbs)
def flag() -> None:
    """See and withdraw what was flagged.

    \b
    Example:
      surefoot flag list
    """


@flag.command("list")
@click.option("--all", "every", is_flag=True, help="Also those that were withdrawn.")
@json_option
@pass_terminal
def list_flags(terminal: Terminal, every: bool) -> None:
    """List flags that stand, the newest first.

    \b
    Example:
      surefoot flag list --all
    """
    with terminal.api() as api:
        answer = api.get("/flags", withdrawn="true" if every else "false")
    rows = [
        (f.id, shown.when(f.at), f.device or "", f.release or "", f.by, shown.plain(f.reason), _gone(f))
        for f in shown.many(Flag, answer)
    ]
    terminal.data(answer, columns(("FLAG", "AT", "DEVICE", "RELEASE", "BY", "REASON", ""), rows))


@flag.command()
@click.argument("flag_id", metavar="FLAG", type=Whole(1, 999_999_999))
@json_option
@pass_terminal
def withdraw(terminal: Terminal, flag_id: int) -> None:
    """Take a flag back; a rollout that it stopped goes on with `surefoot rollout resume`.

    \b
    Example:
      surefoot flag withdraw 3
    """
    with terminal.api() as api:
        answer = api.post(path("flags", str(flag_id), "withdraw"), {})
    terminal.data(answer, f"Flag {flag_id} is withdrawn.")


@click.group(cls=Verbs)
def hook() -> None:
    """Give other systems an address that flags, holds, halts or reverts.

    \b
    Example:
      surefoot hook create grafana --do halt --release app/1.1
    """


secret_option = click.option(
    "--secret-file",
    type=click.File("r"),
    help="The secret (whsec_…), where the other system made it; - reads it from the input.",
)


@hook.command()
@click.argument("name", type=NAME)
@click.option("--do", "act", type=click.Choice(["flag", "hold", "halt", "revert"]), required=True, help="What it does.")
@click.option("--release", type=Text(100), help="About this release, COMPONENT/VERSION: all its open rollouts.")
@click.option("--rollout", type=Text(16), help="About this rollout.")
@click.option("--valid", "valid_s", type=LIFETIME, default="90d", show_default=True, help="How long it may be used.")
@click.option("--signed", is_flag=True, help="Take signed calls only, as Standard Webhooks says.")
@secret_option
@json_option
@pass_terminal
def create(
    terminal: Terminal,
    name: str,
    act: str,
    release: str | None,
    rollout: str | None,
    valid_s: float,
    signed: bool,
    secret_file: TextIO | None,
) -> None:
    """Make an address at which another system flags, holds, halts or reverts.

    It takes a POST with {"reason": "…", "device": "…"}, both optional; `flag` is also the way for users' reports.
    Without --signed whoever knows the address may use it, and it is shown this once; with it each call must be
    signed with the secret, which is shown this once, and a copy of a call does nothing.

    \b
    Example:
      surefoot hook create alertmanager --do hold --rollout r1
      surefoot hook create ci --do halt --release app/1.1 --signed
    """
    body: dict[str, wire.Json] = {"name": name, "do": act, "release": release, "rollout": rollout, "valid_s": valid_s}
    signed = signed or secret_file is not None
    with terminal.api() as api:
        answer = api.post("/hooks", {**body, "signed": signed, "secret": _given(secret_file)})
    made = wire.from_json(NewHook, answer)
    terminal.data(answer, "\n".join(filter(None, (f"{terminal.server}{made.path}", made.secret))))
    if not signed:
        terminal.say("Keep it secret: it needs no token.")
    elif made.secret:
        terminal.say("Give the secret to the system that calls; it is shown this once.")


@hook.command()
@click.argument("hook_id", metavar="HOOK", type=NAME)
@click.option(
    "--overlap", "overlap_s", type=DURATION, default="1d", show_default=True, help="How long those before still count."
)
@secret_option
@json_option
@pass_terminal
def rotate(terminal: Terminal, hook_id: str, overlap_s: float, secret_file: TextIO | None) -> None:
    """Give a signed hook another secret, shown this once; those before count for a while longer.

    \b
    Example:
      surefoot hook rotate 1a2b3c4d5e6f
      surefoot hook rotate 1a2b3c4d5e6f --overlap 0s
    """
    body: dict[str, wire.Json] = {"overlap_s": overlap_s, "secret": _given(secret_file)}
    with terminal.api() as api:
        answer = api.post(path("hooks", hook_id, "rotate"), body)
    made = wire.from_json(NewHook, answer)
    terminal.data(answer, made.secret or f"Hook {hook_id} has the other secret.")


@hook.command("list")
@json_option
@pass_terminal
def list_hooks(terminal: Terminal) -> None:
    """List addresses that were made, with how often each was used.

    \b
    Example:
      surefoot hook list
    """
    with terminal.api() as api:
        answer = api.get("/hooks")
    rows = [
        (
            h.id,
            h.name,
            h.do,
            h.release or h.rollout or "",
            "signed" if h.signed else "bare",
            h.uses,
            "revoked" if h.revoked_at else shown.when(h.expires_at),
        )
        for h in shown.many(Hook, answer)
    ]
    terminal.data(answer, columns(("HOOK", "NAME", "DOES", "ABOUT", "CALLS", "USES", "UNTIL"), rows))


@hook.command()
@click.argument("hook_id", metavar="HOOK", type=NAME)
@json_option
@pass_terminal
def revoke(terminal: Terminal, hook_id: str) -> None:
    """Make an address useless.

    \b
    Example:
      surefoot hook revoke 1a2b3c4d5e6f
    """
    with terminal.api() as api:
        answer = api.post(path("hooks", hook_id, "revoke"), {})
    terminal.data(answer, f"Hook {hook_id} is revoked.")


def _gone(found: Flag) -> str:
    return "withdrawn" if found.withdrawn_at else ""


def _given(file: TextIO | None) -> str:
    return file.read(300).strip() if file is not None else ""
