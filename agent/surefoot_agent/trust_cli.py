"""`surefoot-agent trust`: check metadata without touching what runs.

init, refresh and download speak the client protocol of public TUF conformance suites (options before the verb, exit 0
or 1); verify says what this device would do with a folder of metadata (exit 0, or 8 where anything is refused).
Imports what a verb needs when it needs it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, Invalid, SurefootError, UntrustedRelease
from surefoot_shared.trust.fields import DIRECTOR, IMAGE

if TYPE_CHECKING:
    from surefoot_agent.ports import Decision

OK, FAILED, USAGE, UNTRUSTED = 0, 1, 2, 8
FILES = 600
FILE_BYTES = 1024 * 1024


def add_trust(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command with its own verbs."""
    example = "surefoot-agent trust --metadata-dir ./metadata --metadata-url http://127.0.0.1:8001/metadata refresh"
    meaning = "check TUF metadata without touching what runs"
    trust = verbs.add_parser(
        "trust",
        help=meaning,
        description=meaning[0].upper() + meaning[1:] + ".",
        epilog=f"Example: {example}",
    )
    trust.add_argument("--metadata-dir", type=Path, metavar="DIR", help="where verified metadata is kept")
    trust.add_argument("--metadata-url", metavar="URL", help="where the repository's metadata is")
    trust.add_argument("--target-name", action="append", default=[], metavar="NAME", help="artifact; may be repeated")
    trust.add_argument("--target-base-url", metavar="URL", help="where the repository's artifacts are")
    trust.add_argument("--target-dir", type=Path, metavar="DIR", help="where artifacts are put")
    acts = trust.add_subparsers(metavar="VERB", required=True)
    about = "Take the first root on trust; asks nobody."
    init = acts.add_parser("init", help="take the first root on trust; asks nobody", description=about)
    init.add_argument("root", type=Path, metavar="ROOT", help="the repository's root, as a file")
    init.set_defaults(act=_init)
    about = "Bring the metadata up to date."
    acts.add_parser("refresh", help="bring the metadata up to date", description=about).set_defaults(act=_refresh)
    about = "Bring the metadata up to date and fetch artifacts that it lists."
    acts.add_parser("download", help="fetch artifacts that it lists", description=about).set_defaults(act=_download)
    _add_verify(acts)


def _add_verify(acts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    meaning = "say what a device would do with a folder of metadata"
    verify = acts.add_parser("verify", help=meaning, description=meaning[0].upper() + meaning[1:] + ".")
    verify.add_argument("bundle_dir", type=Path, metavar="BUNDLE_DIR", help="folder with image/ and director/")
    verify.add_argument("--device", required=True, metavar="ID", help="the device's id")
    verify.add_argument("--hw", required=True, metavar="HW", help="its hardware, as releases name it")
    verify.add_argument(
        "--state", required=True, type=Path, metavar="DIR", help="state folder with trust/; remembers what is verified"
    )
    verify.add_argument("--json", action="store_true", help="one JSON document on stdout")
    verify.set_defaults(act=_verify)


def _init(arguments: argparse.Namespace) -> int:
    from surefoot_agent import conformance

    metadata_dir: Path = _given(arguments, "metadata_dir")
    return _tried(lambda: conformance.init(metadata_dir, arguments.root))


def _refresh(arguments: argparse.Namespace) -> int:
    from surefoot_agent import conformance

    metadata_dir, url = _given(arguments, "metadata_dir"), _given(arguments, "metadata_url")
    return _tried(lambda: conformance.refresh(metadata_dir, url))


def _download(arguments: argparse.Namespace) -> int:
    from surefoot_agent import conformance

    needed = ("metadata_dir", "metadata_url", "target_name", "target_base_url", "target_dir")
    values = [_given(arguments, name) for name in needed]
    return _tried(lambda: conformance.download(*values))


def _tried(act: Callable[[], object]) -> int:
    """0 or 1 and nothing else: the protocol of the suites knows no other."""
    try:
        act()
    except (SurefootError, OSError) as error:
        print(f"surefoot-agent: {error}", file=sys.stderr)
        return FAILED
    return OK


def _given(arguments: argparse.Namespace, name: str) -> Any:
    value = getattr(arguments, name)
    if not value:
        raise ConfigError("config_invalid", f"--{name.replace('_', '-')} must be given before the verb.")
    return value


def _verify(arguments: argparse.Namespace) -> int:
    from surefoot_agent.trust import ChildTrust
    from surefoot_shared.trust.bundle import Bundle, pack

    folder: Path = arguments.bundle_dir
    bundle = Bundle(arguments.device, _files(folder / DIRECTOR), _files(folder / IMAGE))
    trust = ChildTrust(arguments.state / "trust", arguments.device, arguments.hw)
    try:
        decision = trust.decide(pack(bundle))
    except UntrustedRelease as error:
        if not arguments.json:
            raise
        refusal = {"decision": None, "refused": {"kind": error.kind, "message": error.message, "hint": error.hint}}
        print(wire.encode(refusal).decode())
        return UNTRUSTED
    answer = {"decision": wire.to_json(decision), "refused": None}
    print(wire.encode(answer).decode() if arguments.json else _text(decision))
    return UNTRUSTED if decision.refusals else OK


def _files(folder: Path) -> Mapping[str, str]:
    """Every metadata file of one repository; what is no text is left for the verification to miss."""
    if not folder.is_dir():
        raise ConfigError("config_unreadable", f"{folder} is no folder.", "Give a folder with image/ and director/.")
    paths: Sequence[Path] = sorted(folder.glob("*.json"))
    if len(paths) > FILES or any(path.stat().st_size > FILE_BYTES for path in paths):
        raise Invalid("malformed", f"{folder} holds more metadata than a device reads.")
    return {path.name: path.read_text(errors="replace") for path in paths}


def _text(decision: Decision) -> str:
    lines = [f"{w.component}: {w.intent.value} to {w.note.version} ({w.digest[:12]})" for w in decision.wishes]
    lines += [f"{r.component}: refused, {r.message} [{r.reason}]" for r in decision.refusals]
    return "\n".join(lines) or "nothing is wanted"
