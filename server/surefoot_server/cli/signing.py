"""The options of every command that signs with offline keys, and words for how far a rotation has come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from surefoot_server.cli.terminal import Terminal, columns, count, passphrase
from surefoot_shared import wire

if TYPE_CHECKING:
    from surefoot_server.keys.cosign import Proposed
    from surefoot_server.keys.signers import KeyRing

OLD_AND_NEW = ("old keys", "new keys")
"""A new root is signed by both."""
Command = TypeVar("Command", bound=Callable[..., Any])
DIR = click.Path(path_type=Path, file_okay=False)
OWN = click.Path(path_type=Path, file_okay=False, exists=True)
"""A mistyped folder must not become the home of a new key."""


def signing_options(command: Command) -> Command:
    """--keys, --offline and --key."""
    for option in (
        click.option("--key", help="Sign with this key only: a key's name, or a signer of keys.toml."),
        click.option("--offline", multiple=True, type=OWN, help="Your own key folder, not offline/; repeats."),
        click.option("--keys", "keys_dir", type=DIR, required=True, help="Folder of the fleet's keys."),
    ):
        command = option(command)
    return command


def ring_of(keys_dir: Path, offline: tuple[Path, ...], key: str | None) -> KeyRing:
    """The keys that those options name; the passphrase is asked for once it is needed."""
    from surefoot_server.keys.signers import KeyRing

    return KeyRing(keys_dir, lambda: passphrase(new=False), offline=offline, only=key)


def tell_proposed(terminal: Terminal, done: Proposed) -> None:
    """Say what a rotation is, who has signed which of its files, and what comes next."""
    rows = []
    for name, each in sorted(done.standings.items()):
        counts = [f"{len(need.signed)} of {need.threshold}" for need in each.needs]
        words = counts if len(counts) < 2 else [f"{who} {n}" for who, n in zip(OLD_AND_NEW, counts, strict=True)]
        rows.append((name, ", ".join(words), each.missing, ", ".join(each.may_sign)))
    files = {
        name: {
            "version": each.version,
            "signed": list(each.signed),
            "missing": each.missing,
            "may_sign": list(each.may_sign),
        }
        for name, each in done.standings.items()
    }
    value = {
        "why": done.why,
        "path": str(done.path),
        "in_force": done.in_force,
        "missing": done.missing,
        "signed_now": list(done.signed_now),
        "files": files,
    }
    head = f"{done.why}\n\n{columns(('FILE', 'SIGNATURES', 'MISSING', 'WHO CAN SIGN'), rows)}" if rows else done.why
    after = "It is in force in this folder. Give it to the server: surefoot keys install DIR --data DATA"
    if not done.in_force:
        what = count(done.missing, "signature")
        after = f"At least {what} missing. Hand {done.path} on: surefoot keys cosign FILE --keys DIR"
    terminal.data(wire.to_json(value), f"{head}\n\n{after}")
