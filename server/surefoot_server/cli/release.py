"""`surefoot release`: build and sign on the releaser's machine, publish to the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import click

from surefoot_server.cli import shown
from surefoot_server.cli.channel import promote
from surefoot_server.cli.evidence import evidence
from surefoot_server.cli.feedback import advisory, flag_release
from surefoot_server.cli.findings import attest, read_file, scan, unwaive, waive
from surefoot_server.cli.params import path, release_of
from surefoot_server.cli.release_mender import unpack
from surefoot_server.cli.release_rules import permit, policy, withdraw
from surefoot_server.cli.signing import signing_options
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

if TYPE_CHECKING:
    from surefoot_server.cli.client import Api
    from surefoot_server.releases.build import ReleaseFolder
    from surefoot_server.releases.sign import SignedRelease

WORTH_TELLING_S = 2.0
ASKED_AT_ONCE = 20_000
DIR = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=Verbs)
def release() -> None:
    """Build, sign and publish releases.

    \b
    Example:
      surefoot release build ./app --component app --version 1.1 --counter 101 --hw rpi5 -o ./out
      surefoot release sign ./out --keys ./keys
      surefoot release publish ./out
    """


@release.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|IMAGE")
@click.option("--component", help="Component that it is for.")
@click.option("--version", help="Its version; never used for other bytes.")
@click.option("--counter", type=int, help="Orders releases; higher is newer.")
@click.option("--svn", type=int, help="Security version number.")
@click.option("--hw", help="Hardware that it is for, separated by commas.")
@click.option("--notes", help="What is new.")
@click.option("--recipe", type=FILE, help="release.toml: how it is started and what it must prove.")
@click.option("--sbom", type=FILE, help="Its bill of materials: CycloneDX 1.4 to 1.6 as JSON, signed with it.")
@click.option("-o", "--out", type=DIR, required=True, help="Folder to make.")
@json_option
@pass_terminal
def build(
    terminal: Terminal,
    source: Path,
    component: str | None,
    version: str | None,
    counter: int | None,
    svn: int | None,
    hw: str | None,
    notes: str | None,
    recipe: Path | None,
    sbom: Path | None,
    out: Path,
) -> None:
    """Turn FOLDER, or the disk IMAGE in a file, into a release folder; the same bytes give the same digest everywhere.

    \b
    Example:
      surefoot release build ./app --component app --version 1.1 --counter 101 --hw rpi5,jetson-orin \\
          --recipe release.toml --sbom bill.cdx.json -o ./out
      surefoot release build ./rootfs.ext4 --component rootfs --version 7 --counter 700 --hw rpi5 -o ./out-7
    """
    from surefoot_server.releases.build import build_release
    from surefoot_server.releases.recipe import Recipe, read_recipe

    names = tuple(name.strip() for name in hw.split(",") if name.strip()) if hw else None
    given = {
        "component": component,
        "version": version,
        "counter": counter,
        "svn": svn,
        "hw": names,
        "notes": notes,
    }
    said = {name: value for name, value in given.items() if value is not None}
    wanted = replace(read_recipe(recipe) if recipe else Recipe(), **said)  # type: ignore[arg-type]
    bill = read_file(sbom) if sbom else None
    made = build_release(source, wanted, out, _tenths(terminal, "read"), _tenths(terminal, "compressed"), bill)
    manifest = made.manifest
    value = {"folder": str(out), "digest": made.digest, "component": manifest.component, "version": manifest.version}
    holds = "an image" if manifest.image else count(len(manifest.files), "file")
    words = f"{manifest.component}/{manifest.version}: {holds}, "
    terminal.data(
        wire.to_json(value), f"{words}{shown.size(manifest.installed_size_bytes)}, digest {made.digest}, in {out}"
    )


@release.command()
@click.argument("out", type=DIR)
@signing_options
@json_option
@pass_terminal
def sign(terminal: Terminal, out: Path, keys_dir: Path, offline: tuple[Path, ...], key: str | None) -> None:
    """Sign the release in OUT with the release keys at hand; where more are needed, others cosign it.

    \b
    Example:
      surefoot release sign ./out --keys ./keys
      surefoot release sign ./out --keys ./keys --offline /media/first
    """
    from surefoot_server.releases.sign import sign_release

    signed = sign_release(out, keys_dir, lambda: passphrase(new=False), utc_now(), offline=offline, key=key)
    _tell_signed(terminal, signed)


@release.command()
@click.argument("out", type=DIR)
@signing_options
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_terminal
def cosign(
    terminal: Terminal, out: Path, keys_dir: Path, offline: tuple[Path, ...], key: str | None, yes: bool
) -> None:
    """Add your signature to a release that somebody else signed first; works on files, without a server.

    It shows what the signature would say and asks. The keys folder needs offline/ (or --offline) and repository/ only.

    \b
    Example:
      surefoot release cosign ./out --keys ./keys --key image-release-2
    """
    from surefoot_server.releases.cosign import cosign_release, review
    from surefoot_shared.trust.clock import format_time

    seen = review(out, keys_dir, utc_now())
    terminal.say(f"{seen.component}/{seen.version}, digest {seen.digest}, role version {seen.role_version}")
    terminal.say(f"  known here      role version {seen.known_version}")
    for word, paths in (("adds", seen.added), ("takes away", seen.removed)):
        terminal.say(f"  {word.ljust(14)}  {', '.join(paths) or 'nothing'}")
    for line in seen.demands:
        terminal.say(f"  demands         {line}")
    terminal.say(f"  counts until    {format_time(seen.expires)}")
    terminal.say(f"  signed by       {', '.join(seen.signed) or 'nobody'}")
    terminal.confirm("Sign this?", yes)
    signed = cosign_release(out, keys_dir, lambda: passphrase(new=False), utc_now(), offline=offline, key=key)
    _tell_signed(terminal, signed)


def _tell_signed(terminal: Terminal, signed: SignedRelease) -> None:
    need = signed.standing.needs[0]
    value = {
        "component": signed.component,
        "version": signed.version,
        "digest": signed.digest,
        "role_version": signed.role_version,
        "listed": list(signed.listed),
        "threshold": need.threshold,
        "signed": list(need.signed),
        "missing": need.missing,
        "may_sign": list(signed.standing.may_sign),
    }
    words = f"{signed.component}/{signed.version} is signed; the role lists {', '.join(signed.listed)}."
    if need.missing:
        words = (
            f"{signed.component}/{signed.version} has {len(need.signed)} of {need.threshold} signatures; it cannot be "
            f"published yet.\n  {count(need.missing, 'signature')} missing, of: {', '.join(signed.standing.may_sign)}."
            f"\n  Hand {signed.role_file.parent} on: surefoot release cosign {signed.role_file.parent} --keys DIR"
        )
    terminal.data(wire.to_json(value), words)


@release.command()
@click.argument("out", type=DIR)
@json_option
@pass_terminal
def publish(terminal: Terminal, out: Path) -> None:
    """Send the signed release in OUT to the server; only what the server lacks is uploaded.

    \b
    Example:
      surefoot release publish ./out
    """
    from surefoot_server.releases.build import read_release
    from surefoot_server.releases.sign import read_role, refuse_unfinished

    folder = read_release(out)
    refuse_unfinished(folder)
    role = read_role(folder)
    with terminal.api() as api:
        _upload(terminal, api, folder)
        answer = api.post_files("/releases", {"manifest": folder.raw, "role": role})
    terminal.data(answer, f"{wire.from_json(shown.Release, answer).id} is published.")


def _tenths(terminal: Terminal, what: str) -> Callable[[int, int], None]:
    """Say how far something is, ten times at most, and nothing at all where it is over in a moment.

    Many small files take as long as few large ones, so it is time that counts.
    """
    told, began = 0, monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal told
        if total and done * 10 // total > told and monotonic() - began >= WORTH_TELLING_S:
            told = done * 10 // total
            terminal.say(f"  {what} {shown.size(done)} of {shown.size(total)}")

    return progress


def _upload(terminal: Terminal, api: Api, folder: ReleaseFolder) -> None:
    files = {sha256: folder.blob(sha256) for sha256 in folder.manifest.blobs} | folder.documents()
    sizes = {sha256: file.stat().st_size for sha256, file in files.items()}
    names = _missing(api, list(sizes))
    total = sum(sizes[name] for name in names)
    terminal.say(f"{len(names)} of {count(len(sizes), _part(folder))} to upload, {shown.size(total)}.")
    done = 0
    for number, name in enumerate(names, 1):
        api.put_file(f"/blobs/{name}", files[name])
        done += sizes[name]
        if number == len(names) or done * 10 // max(total, 1) > (done - sizes[name]) * 10 // max(total, 1):
            terminal.say(f"  {number}/{len(names)}  {shown.size(done)} of {shown.size(total)}")
    forms = folder.forms()
    for form in _missing(api, list(forms)):
        api.put_file(f"/blobs/{form}", forms[form])


def _missing(api: Api, names: Sequence[str]) -> list[str]:
    """Which of these the server lacks; it takes no more than 100,000 names in one question."""
    missing: list[str] = []
    for at in range(0, len(names), ASKED_AT_ONCE):
        answer = api.post("/blobs/missing", {"sha256": list(names[at : at + ASKED_AT_ONCE])})
        found = answer.get("missing") if isinstance(answer, dict) else None
        missing += map(str, found if isinstance(found, list) else [])
    return missing


def _part(folder: ReleaseFolder) -> str:
    return "chunk" if folder.manifest.image else "file"


@release.command("list")
@click.option("--component", default="", help="Only of this component.")
@json_option
@pass_terminal
def list_releases(terminal: Terminal, component: str) -> None:
    """List published releases with how many devices run each.

    \b
    Example:
      surefoot release list --component app
    """
    with terminal.api() as api:
        answer = api.get("/releases", component=component)
    rows = [
        (r.id, r.counter, ",".join(r.hw), shown.size(r.total_bytes), r.running, shown.when(r.published_at))
        for r in shown.many(shown.Release, answer)
    ]
    terminal.data(answer, columns(("RELEASE", "COUNTER", "HARDWARE", "SIZE", "RUNNING", "PUBLISHED"), rows))


@release.command()
@click.argument("release_id", metavar="COMPONENT/VERSION")
@json_option
@pass_terminal
def show(terminal: Terminal, release_id: str) -> None:
    """Show one published release.

    \b
    Example:
      surefoot release show app/1.1
    """
    component, version = release_of(release_id)
    with terminal.api() as api:
        answer = api.get(path("releases", component, version))
    found = wire.from_json(shown.Release, answer)
    block = [
        ("Release", found.id),
        ("Digest", found.digest),
        ("Counter", found.counter),
        ("Security", f"svn {found.svn}"),
        ("Hardware", ", ".join(found.hw)),
        ("Size", shown.size(found.total_bytes)),
        ("Published", f"{shown.when(found.published_at)} by {found.published_by}"),
        ("Running on", count(found.running, "device")),
        ("Notes", found.notes),
    ]
    packs = [("Packs" if number == 0 else "", line) for number, line in enumerate(_packs(found))]
    terminal.data(answer, facts([*block, *packs]))


def _packs(found: shown.Release) -> list[str]:
    """One line a pair: from which release, how many bytes instead of how many, and for whom."""
    lines = []
    for pair in found.packs:
        start = f"from {pair.from_release or pair.from_digest[:12]}" if pair.from_digest else "of the whole"
        size = f"{shown.size(pair.size_bytes)} instead of {shown.size(pair.lacking_bytes)}"
        users = f", {count(pair.devices, 'device')} can use it" if pair.from_digest else ""
        lines.append(f"{start}: {size}{users}" if pair.state == "ready" else f"{start}: none; {pair.reason}")
    return lines or ["none yet; devices fetch whole files"]


for command in (
    promote,
    evidence,
    scan,
    waive,
    unwaive,
    attest,
    policy,
    withdraw,
    permit,
    flag_release,
    advisory,
    unpack,
):
    release.add_command(command)
