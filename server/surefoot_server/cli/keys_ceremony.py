"""`surefoot keys rotate`, `revoke`, `renew`, `cosign`, `new`: what people with offline keys do together, by files."""

from __future__ import annotations

from pathlib import Path

import click

from surefoot_server.cli.signing import ring_of, signing_options, tell_proposed
from surefoot_server.cli.terminal import Terminal, json_option, pass_terminal, passphrase, utc_now
from surefoot_server.keys.layout import OFFLINE, ONLINE, ONLINE_OF
from surefoot_server.keys.quorum import SHORT

DIR = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
ROLES = {**{role: (role,) for role in (*OFFLINE, *ONLINE)}, **SHORT}


@click.command()
@click.argument("role", type=click.Choice([*ROLES, "image"]), metavar="ROLE")
@signing_options
@click.option("--online", is_flag=True, help="ROLE is image or director: all keys that the server signs it with.")
@click.option("--replace", multiple=True, help="Replace this key only, by name or key id; repeats.")
@click.option("--keep", is_flag=True, help="Keep every key, and add as many as --threshold or --add ask for.")
@click.option("--add", multiple=True, help="Somebody's public key file, or a signer URI, for one made here; repeats.")
@click.option("--threshold", help="T/N from now on.")
@json_option
@pass_terminal
def rotate(
    terminal: Terminal,
    role: str,
    keys_dir: Path,
    offline: tuple[Path, ...],
    key: str | None,
    online: bool,
    replace: tuple[str, ...],
    keep: bool,
    add: tuple[str, ...],
    threshold: str | None,
) -> None:
    """Give ROLE new keys: image-root, image-targets, image-release, director-root, or one of the server's.

    The server's are image-snapshot, image-timestamp, director and halt. It makes the next version of every file that
    must follow, with the signatures that can be made here. Where more are needed, others add theirs with
    `surefoot keys cosign`.

    \b
    Example:
      surefoot keys rotate director --online --keys ./keys
      surefoot keys rotate image-root --keys ./keys --replace image-root-3
      surefoot keys rotate release --keys ./keys --keep --add third.pub --threshold 2/3
    """
    from surefoot_server.keys.quorum import parse_quorum
    from surefoot_server.keys.rotate import KeyChange
    from surefoot_server.keys.rotate import rotate as rotate_keys

    if (online and role not in ONLINE_OF) or (role == "image" and not online):
        raise click.UsageError("--online goes with image or director, which are then repositories.")
    roles = ONLINE_OF[role] if online else ROLES[role]
    change = KeyChange(replace, keep, add, parse_quorum(threshold) if threshold else None)
    ring = ring_of(keys_dir, offline, key)
    tell_proposed(terminal, rotate_keys(keys_dir, roles, ring, utc_now(), change))


@click.command()
@click.argument("keyid", metavar="KEY")
@signing_options
@json_option
@pass_terminal
def revoke(terminal: Terminal, keyid: str, keys_dir: Path, offline: tuple[Path, ...], key: str | None) -> None:
    """Take a lost or stolen KEY, by name or key id, out of every role; a new key takes its place.

    \b
    Example:
      surefoot keys revoke image-root-2 --keys ./keys
      surefoot keys revoke 5f1c0a9be2 --keys ./keys --key image-root-1
    """
    from surefoot_server.keys.rotate import revoke as revoke_key

    tell_proposed(terminal, revoke_key(keys_dir, keyid, ring_of(keys_dir, offline, key), utc_now()))


@click.command()
@click.argument("roles", nargs=-1, required=True, type=click.Choice([*OFFLINE, *SHORT]), metavar="ROLE...")
@signing_options
@json_option
@pass_terminal
def renew(
    terminal: Terminal, roles: tuple[str, ...], keys_dir: Path, offline: tuple[Path, ...], key: str | None
) -> None:
    """Sign ROLE again with the same keys and a later date, before it expires: root, targets or release.

    \b
    Example:
      surefoot keys renew root targets release --keys ./keys
    """
    from surefoot_server.keys.rotate import renew as renew_roles

    wanted = tuple(dict.fromkeys(each for role in roles for each in ROLES[role]))
    tell_proposed(terminal, renew_roles(keys_dir, wanted, ring_of(keys_dir, offline, key), utc_now()))


@click.command()
@click.argument("file", type=FILE)
@signing_options
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_terminal
def cosign(
    terminal: Terminal, file: Path, keys_dir: Path, offline: tuple[Path, ...], key: str | None, yes: bool
) -> None:
    """Add your signatures to a rotation FILE; with the last one it comes into force.

    It shows what changes, computed from FILE and your own copy of repository/, and asks.
    Do it on your own machine and hand FILE back; in the folder that proposed it, the same command finishes it.

    \b
    Example:
      surefoot keys cosign rotation.json --keys ./keys --offline /media/second
    """
    from surefoot_server.keys.changes import changes_of, dates_of
    from surefoot_server.keys.cosign import cosign as cosign_file
    from surefoot_server.keys.cosign import load
    from surefoot_server.keys.layout import KeyFolder
    from surefoot_server.keys.rotation import read_current

    rotation = load(file)
    files = {name: text.encode() for name, text in rotation.files.items()}
    changes = changes_of(read_current(KeyFolder(keys_dir)), files) or ("It changes nothing but dates.",)
    terminal.say(f"{rotation.why}\n  It makes {', '.join(sorted(rotation.files))}.")
    for line in (*changes, *dates_of(files)):
        terminal.say(f"  {line}")
    terminal.confirm("Sign this?", yes)
    tell_proposed(terminal, cosign_file(file, keys_dir, ring_of(keys_dir, offline, key)))


@click.command()
@click.argument("name")
@click.option("-o", "--out", type=DIR, required=True, help="Folder to write NAME.pem and NAME.pub to.")
@json_option
@pass_terminal
def new(terminal: Terminal, name: str, out: Path) -> None:
    """Make one encrypted key of your own; hand NAME.pub to whoever rotates a role with --add.

    \b
    Example:
      surefoot keys new first -o /media/first
    """
    from surefoot_server.keys.files import new_personal_key

    private, public = new_personal_key(out, name, passphrase(new=True))
    value = {"private": str(private), "public": str(public)}
    terminal.data(dict(value), f"{private} is yours alone; hand out {public}.")
