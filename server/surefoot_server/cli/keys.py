"""`surefoot keys`: make, show, rotate and rehearse a fleet's keys; works on folders and files, needs no server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from surefoot_server.cli.keys_ceremony import cosign, new, renew, revoke, rotate
from surefoot_server.cli.keys_drill import drill
from surefoot_server.cli.terminal import (
    Terminal,
    Verbs,
    columns,
    count,
    facts,
    json_option,
    pass_terminal,
    passphrase,
    utc_now,
)
from surefoot_shared import wire
from surefoot_shared.wire import Json

if TYPE_CHECKING:
    from datetime import datetime

    from surefoot_server.keys.show import KeysShown

DIR = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=Verbs)
def keys() -> None:
    """Make, show, rotate and rehearse a fleet's keys.

    \b
    Example:
      surefoot keys init ./keys
      surefoot keys show ./keys
    """


@keys.command()
@click.argument("folder", type=DIR)
@click.option("--fleet", help="The fleet's name, in every root.  [default: fleet]")
@click.option("--component", "components", multiple=True, help="May be repeated.  [default: app]")
@click.option("--threshold", "thresholds", multiple=True, help="ROLE=T/N: root, targets or release; repeats.")
@click.option("--plan", "plan_file", type=FILE, help="TOML file with fleet, components, thresholds and signers.")
@click.option("--offline", multiple=True, type=DIR, help="Deal the offline keys to these folders; repeats.")
@json_option
@pass_terminal
def init(
    terminal: Terminal,
    folder: Path,
    fleet: str | None,
    components: tuple[str, ...],
    thresholds: tuple[str, ...],
    plan_file: Path | None,
    offline: tuple[Path, ...],
) -> None:
    """Make the keys, roots and certificate authority of a fleet, or add components to those in FOLDER.

    The passphrase of the offline keys comes from the file that SUREFOOT_PASSPHRASE_FILE names, else it is asked.

    \b
    Example:
      surefoot keys init ./keys --component app --component model
      surefoot keys init ./keys --threshold root=3/5 --threshold release=2/3 \\
          --offline /media/first --offline /media/second --offline /media/third
    """
    from surefoot_server.keys.init import KeyPlan, init_keys
    from surefoot_server.keys.quorum import Plan, parse_quorums, read_plan

    said = read_plan(plan_file) if plan_file else Plan()
    plan = KeyPlan({**said.quorums, **parse_quorums(thresholds)}, offline, said.signers)
    wanted = components or said.components or ("app",)
    made = init_keys(
        folder,
        passphrase(new=not (folder / "repository").is_dir()),
        utc_now(),
        fleet or said.fleet or "fleet",
        wanted,
        plan,
    )
    terminal.say(made.banner)
    words = f"Wrote {count(len(made.files), 'file')} to {made.folder} for {', '.join(made.components)}."
    found = {"folder": str(made.folder), "components": list(made.components), "files": list(made.files)}
    terminal.data(wire.to_json(found), words)


@keys.command()
@click.argument("folder", type=DIR)
@json_option
@pass_terminal
def show(terminal: Terminal, folder: Path) -> None:
    """Show which keys sign what, whose signatures are missing, and when they run out; no secret is shown.

    \b
    Example:
      surefoot keys show ./keys
    """
    from surefoot_server.keys.show import show_keys

    shown, now = show_keys(folder), utc_now()
    rows = [
        (
            r.repository,
            r.role,
            f"{r.threshold} of {len(r.keyids)}",
            r.version,
            f"{r.expires:%Y-%m-%d}" if r.expires else "",
            r.days_left(now),
            r.missing or "",
            ", ".join(r.names),
        )
        for r in shown.roles
    ]
    block = facts(
        [
            ("Fleet", shown.fleet),
            ("Components", ", ".join(shown.components)),
            ("Offline keys here", ", ".join(shown.offline) or "none (they are in a safe)"),
            ("Online keys here", ", ".join(shown.online) or "none"),
            ("Other signers", ", ".join(shown.signers)),
            ("Note", "every role is signed by 1 of 1" if shown.one_of_one else ""),
        ]
    )
    head = ("REPOSITORY", "ROLE", "THRESHOLD", "VERSION", "EXPIRES", "DAYS LEFT", "MISSING", "KEYS")
    waiting = [(name, each.missing, ", ".join(each.may_sign)) for name, each in shown.pending]
    pending = f"\n\nWaits for signatures: {shown.why}\n{columns(('FILE', 'MISSING', 'WHO CAN SIGN'), waiting)}"
    text = f"{block}\n\n{columns(head, rows)}{pending if waiting else ''}"
    terminal.data(_shown_json(shown, now), text)


def _shown_json(shown: KeysShown, now: datetime) -> Json:
    roles = [
        {
            "repository": r.repository,
            "role": r.role,
            "threshold": r.threshold,
            "keyids": list(r.keyids),
            "names": list(r.names),
            "version": r.version,
            "expires": r.expires.isoformat() if r.expires else None,
            "days_left": r.days_left(now),
            "missing": r.missing,
        }
        for r in shown.roles
    ]
    pending = {name: {"missing": each.missing, "may_sign": list(each.may_sign)} for name, each in shown.pending}
    value = {
        "fleet": shown.fleet,
        "components": list(shown.components),
        "offline": list(shown.offline),
        "online": list(shown.online),
        "signers": list(shown.signers),
        "one_of_one": shown.one_of_one,
        "roles": roles,
        "pending": pending,
    }
    return wire.to_json(value)


@keys.command()
@click.argument("folder", type=DIR)
@click.option("--data", "data_dir", type=DIR, required=True, help="The server's data folder, on this machine.")
@json_option
@pass_terminal
def install(terminal: Terminal, folder: Path, data_dir: Path) -> None:
    """Give the server the online keys and the metadata of FOLDER; a running server follows within a minute.

    It works on the server's machine and files, since private keys never travel over the API. Nothing of offline/ is
    read, and what does not fit together is refused by the server, which goes on with what it had.

    \b
    Example:
      surefoot keys install ./keys --data ./data
    """
    from surefoot_server.keys.install import install_keys
    from surefoot_server.keys.layout import KeyFolder
    from surefoot_server.keys.show import show_keys

    shown = show_keys(folder)
    install_keys(folder, data_dir)
    if (waiting := KeyFolder(folder).rotation).exists():
        terminal.say(f"Note: {waiting} lacks signatures, so what it changes was not installed.")
    roots = {r.repository: r.version for r in shown.roles if r.role == "root"}
    said = ", ".join(f"{repository} root {version}" for repository, version in sorted(roots.items()))
    words = f"Installed {said} in {data_dir}. A running server follows within a minute."
    terminal.data(wire.to_json({"data": str(data_dir), "roots": roots}), words)


@keys.command("rotate-ca")
@click.option("--keys", "keys_dir", type=DIR, required=True, help="Folder of the fleet's keys.")
@click.option("--finish", is_flag=True, help="Trust the old authority no more, once no device holds its certificate.")
@click.option("--stolen", is_flag=True, help="Trust the old authority no more from now on; every device enrols again.")
@json_option
@pass_terminal
def rotate_authority(terminal: Terminal, keys_dir: Path, finish: bool, stolen: bool) -> None:
    """Replace the authority that certifies devices and listeners; both count until --finish, 90 days later.

    Then `surefoot keys install` and a restart of the server. Certificates of listeners are renewed by each start.

    \b
    Example:
      surefoot keys rotate-ca --keys ./keys
    """
    from surefoot_server.keys.layout import KeyFolder
    from surefoot_server.pki.authorities import finish_ca, load_authorities, rotate_ca
    from surefoot_shared.trust.durable import write_durably

    if finish and stolen:
        raise click.UsageError("--finish ends a rotation, --stolen is one of its own.")
    folder, now = KeyFolder(keys_dir), utc_now()
    ends = now if finish else rotate_ca(folder.online, now)
    if finish or stolen:
        finish_ca(folder.online, now if finish else ends)
    write_durably(folder.bootstrap / "ca.pem", load_authorities(folder.online).trusted, mode=0o644)
    words = f"New certificates are of a new authority; the old one is trusted until --finish, from {ends:%Y-%m-%d} on."
    if finish or stolen:
        words = "The old authority counts no more."
    after = "Now: surefoot keys install DIR --data DATA, and restart the server."
    value = {"keys": str(keys_dir), "finish_from": None if finish or stolen else ends.isoformat()}
    terminal.data(wire.to_json(value), f"{words}\n\n{after}")


for command in (rotate, revoke, renew, cosign, new, drill):
    keys.add_command(command)
