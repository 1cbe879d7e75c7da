"""`surefoot release policy`, `permit`, `withdraw`: what release keys demand, allow once and take back, by files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from surefoot_server.cli.params import release_of
from surefoot_server.cli.signing import ring_of, signing_options, tell_proposed
from surefoot_server.cli.terminal import Terminal, facts, json_option, pass_terminal, utc_now
from surefoot_shared import wire


@click.command()
@click.argument("component")
@click.option("--min-svn", type=click.IntRange(0), help="Least security version of devices that committed it.")
@click.option("--revoke", multiple=True, metavar="VERSION", help="A release that nobody may run any more; repeats.")
@click.option("--max-offline-days", type=click.IntRange(0, 3650), help="Days until a device complains; 0: never.")
@signing_options
@json_option
@pass_terminal
def policy(
    terminal: Terminal,
    component: str,
    min_svn: int | None,
    revoke: tuple[str, ...],
    max_offline_days: int | None,
    keys_dir: Path,
    offline: tuple[Path, ...],
    key: str | None,
) -> None:
    """Change what the release keys demand of COMPONENT whatever the server says; without options, show it.

    Name a security version after its rollout ended well: from then on no device that committed it goes below. Where one
    signature is not enough, others add theirs with `surefoot keys cosign`; `surefoot keys install` gives it to the
    server.

    \b
    Example:
      surefoot release policy app --keys ./keys
      surefoot release policy app --min-svn 2 --keys ./keys
      surefoot release policy app --revoke 1.4 --max-offline-days 30 --keys ./keys --offline /media/first
    """
    from surefoot_server.keys.listing import digest_listed, policy_of, propose_policy

    now = policy_of(keys_dir, component)
    if min_svn is None and not revoke and max_offline_days is None:
        days = f"after {now.max_offline_days} days" if now.max_offline_days else "never"
        block = [("Least svn", now.min_svn), ("Revoked", ", ".join(now.revoked) or "nothing"), ("Complains", days)]
        terminal.data(wire.to_json(now), facts(block))
        return
    digests = [digest_listed(keys_dir, component, version) for version in revoke]
    wanted = replace(
        now,
        min_svn=now.min_svn if min_svn is None else min_svn,
        revoked=tuple(dict.fromkeys((*now.revoked, *digests))),
        max_offline_days=now.max_offline_days if max_offline_days is None else max_offline_days,
    )
    tell_proposed(terminal, propose_policy(keys_dir, wanted, ring_of(keys_dir, offline, key), utc_now()))


@click.command()
@click.argument("permit_id", metavar="ID")
@click.option("--from", "origin", required=True, metavar="COMPONENT/VERSION", help="What the devices run.")
@click.option("--to", "target", required=True, metavar="VERSION", help="Where they may go, below their floor.")
@click.option("--device", "devices", multiple=True, required=True, help="A device that may; repeats.")
@click.option("--until", required=True, help="UTC, such as 2027-01-31T00:00:00Z.")
@click.option("--reason", required=True, help="Why; signed with it.")
@signing_options
@json_option
@pass_terminal
def permit(
    terminal: Terminal,
    permit_id: str,
    origin: str,
    target: str,
    devices: tuple[str, ...],
    until: str,
    reason: str,
    keys_dir: Path,
    offline: tuple[Path, ...],
    key: str | None,
) -> None:
    """Let named devices go once from one release to one below their security floor; ID names the permit.

    \b
    Example:
      surefoot release permit lens-42 --from app/2.0 --to 1.9 --device cam-17 --until 2027-01-31T00:00:00Z \\
          --reason "2.0 blinds this lens" --keys ./keys
    """
    from surefoot_server.keys.listing import digest_listed, permit_from, propose_permit

    component, version = release_of(origin)
    runs, wanted = (digest_listed(keys_dir, component, each) for each in (version, target))
    made = permit_from(component, permit_id, runs, wanted, devices, until, reason)
    tell_proposed(terminal, propose_permit(keys_dir, made, ring_of(keys_dir, offline, key), utc_now()))


@click.command()
@click.argument("release", metavar="COMPONENT/VERSION")
@signing_options
@json_option
@pass_terminal
def withdraw(terminal: Terminal, release: str, keys_dir: Path, offline: tuple[Path, ...], key: str | None) -> None:
    """Take a release off the list of its component: no device installs it any more; those that run it go on.

    \b
    Example:
      surefoot release withdraw app/1.4 --keys ./keys
    """
    from surefoot_server.keys.listing import propose_withdrawal

    component, version = release_of(release)
    ring = ring_of(keys_dir, offline, key)
    tell_proposed(terminal, propose_withdrawal(keys_dir, component, version, ring, utc_now()))
