"""The command line of the device: enrol, key, run, status, check, doctor, commit, revert, lock, unlock, apply, trust.

Promises: data on stdout, talk on stderr, `--json` on every command that answers, and the exit codes of `EXIT_CODES`.
Imports what a command needs when it needs it: `status` must be quick on the smallest board.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from surefoot_agent.config import Settings, load
from surefoot_agent.trust_cli import add_trust
from surefoot_shared import wire
from surefoot_shared.errors import (
    ConfigError,
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    SurefootError,
    UntrustedRelease,
)

OK, FAILED, USAGE, NOT_FOUND, NOT_ALLOWED, CONFLICT, UNTRUSTED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 8, 130
EXIT_CODES: tuple[tuple[int, str], ...] = (
    (OK, "done"),
    (FAILED, "failed"),
    (USAGE, "wrong usage or setting"),
    (NOT_FOUND, "not found"),
    (NOT_ALLOWED, "not allowed"),
    (CONFLICT, "the device's state does not allow it"),
    (UNTRUSTED, "verification failed"),
    (INTERRUPTED, "interrupted"),
)
FAMILIES: tuple[tuple[type[SurefootError], int], ...] = (
    (ConfigError, USAGE),
    (NotFound, NOT_FOUND),
    (NotAllowed, NOT_ALLOWED),
    (Conflict, CONFLICT),
    (UntrustedRelease, UNTRUSTED),
    (Invalid, USAGE),
)
CONFLICTING = frozenset({"already_running", "conflict", "port_in_use"})
"""Kinds of ConfigError that are about the device's state, not about a setting."""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.act(arguments)
        return code
    except SurefootError as error:
        print(f"surefoot-agent: {error}", file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        return INTERRUPTED


def exit_code(error: SurefootError) -> int:
    if error.kind in CONFLICTING:
        return CONFLICT
    return next((code for family, code in FAMILIES if isinstance(error, family)), FAILED)


def parser() -> argparse.ArgumentParser:
    """The whole command line; docs/cli.md is made from it."""
    codes = ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES)
    top = argparse.ArgumentParser(
        prog="surefoot-agent",
        description="Installs signed releases into A/B slots, proves them healthy, and goes back by itself.",
        epilog=f"Example: surefoot-agent status --json. Exit codes: {codes}.",
    )
    verbs = top.add_subparsers(metavar="COMMAND", required=True)
    _enrol(verbs)
    _answering(
        verbs, "key", show_key, "show the sha256 of this node's key, for `device preauthorise`", "surefoot-agent key"
    )
    _verb(verbs, "run", run, "run the agent until it is told to stop", "surefoot-agent run --config agent.toml")
    _answering(verbs, "status", status, "show slots, attempt and last outcome", "surefoot-agent status --json")
    _answering(verbs, "check", check, "is this node able to update and to revert?", "surefoot-agent check")
    _answering(
        verbs,
        "doctor",
        doctor,
        "which credential or link fails, and why?",
        "surefoot-agent doctor --json",
    )
    _answering(
        verbs, "commit", commit, "commit the release on trial now, before its soak ends", "surefoot-agent commit"
    )
    _answering(verbs, "revert", revert, "go back from the release on trial to the one before", "surefoot-agent revert")
    _answering(verbs, "lock", lock, "keep the device from switching, for as long as it takes", "surefoot-agent lock")
    _answering(verbs, "unlock", unlock, "allow switching again", "surefoot-agent unlock")
    _apply(verbs)
    add_trust(verbs)
    return top


def _apply(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    example = "surefoot-agent apply /media/stick/cam-17.bundle --release /media/stick/camera-1.1"
    verb = _verb(verbs, "apply", apply, "give the running agent a bundle from a file or a USB stick", example)
    verb.add_argument("file", type=Path, metavar="FILE", help="the bundle, as `surefoot device bundle` wrote it")
    verb.add_argument(
        "--release", type=Path, metavar="DIR", help="folder with blobs/ to install from (default: the file's folder)"
    )
    verb.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _enrol(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    example = (
        "surefoot-agent enrol --server https://updates.example:8443 --bootstrap ./bootstrap "
        "--token-file enrol.token --device cam-17 --hw rpi5 --release ./camera-1.0"
    )
    enrol = _verb(verbs, "enrol", enrol_node, "give this node its identity and its first release", example)
    enrol.add_argument("--server", required=True, metavar="URL", help="the server's device address, https")
    enrol.add_argument("--bootstrap", required=True, type=Path, metavar="DIR", help="both roots and the fleet's CA")
    enrol.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with the enrolment token; without it the key must be known",
    )
    enrol.add_argument(
        "--device",
        required=True,
        metavar="ID",
        help="the id this node shall have; for an image a pattern: cam-{serial}",
    )
    enrol.add_argument("--hw", required=True, metavar="HW", help="the hardware, as releases name it")
    enrol.add_argument(
        "--factory-chain",
        type=Path,
        metavar="FILE",
        help="the factory's certificate of this node's key and those above",
    )
    enrol.add_argument("--factory-key", type=Path, metavar="FILE", help="that key, where the state folder has none")
    enrol.add_argument(
        "--image", type=Path, metavar="ROOT", help="prepare the image mounted here; its devices enrol at first boot"
    )
    enrol.add_argument("--state-dir", type=Path, metavar="DIR", help="overrides the setting state_dir")
    enrol.add_argument("--release", type=Path, metavar="DIR", help="signed release folder to install into slot A")


def _answering(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    act: Callable[[argparse.Namespace], int],
    meaning: str,
    example: str,
) -> None:
    verb = _verb(verbs, name, act, meaning, example)
    verb.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    act: Callable[[argparse.Namespace], int],
    meaning: str,
    example: str,
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(
        name,
        help=meaning,
        description=meaning[0].upper() + meaning[1:] + ("" if meaning.endswith("?") else "."),
        epilog=f"Example: {example}",
    )
    verb.add_argument("--config", type=Path, metavar="FILE", help="read this file alone instead of the drop-in folders")
    verb.set_defaults(act=act)
    return verb


def enrol_node(arguments: argparse.Namespace) -> int:
    from surefoot_agent.enrol import enrol
    from surefoot_agent.node import only_one

    settings = load(arguments.config)
    state_dir = _state_dir(arguments, settings)
    with only_one(state_dir):
        if arguments.image:
            _prepare_image(arguments, state_dir)
        else:
            if arguments.release:
                _check_release(settings, state_dir, arguments)
            token, chain = _text(arguments.token_file), _text(arguments.factory_chain)
            if arguments.factory_key:
                _take_key(arguments.factory_key, state_dir)
            identity = enrol(
                arguments.server, arguments.bootstrap, token, arguments.device, arguments.hw, state_dir, chain
            )
            print(f"{identity.device} is enrolled at {identity.server_url}", file=sys.stderr)
        if arguments.release:
            _provision(settings, state_dir, arguments)
    if arguments.image:
        (state_dir / "agent.lock").unlink(missing_ok=True)  # nothing of this machine stays in the image
    return OK


def _state_dir(arguments: argparse.Namespace, settings: Settings) -> Path:
    chosen: Path = arguments.state_dir.absolute() if arguments.state_dir else settings.state_dir
    if not arguments.image:
        return chosen.resolve()
    root: Path = arguments.image.resolve()
    if not root.is_dir():
        raise ConfigError("config_invalid", f"{root} is not a folder.", "Mount the image first.")
    return root / chosen.relative_to("/")


def _prepare_image(arguments: argparse.Namespace, state_dir: Path) -> None:
    from surefoot_agent.golden import FirstBoot, prepare

    wish = FirstBoot(arguments.server, arguments.hw, arguments.device, _text(arguments.token_file))
    prepare(state_dir, arguments.bootstrap, wish)
    print(f"{state_dir} is prepared; each device enrols at its first `surefoot-agent run`", file=sys.stderr)


def _provision(settings: Settings, state_dir: Path, arguments: argparse.Namespace) -> None:
    from surefoot_agent.boot.symlink import SymlinkBoot
    from surefoot_agent.provision import provision
    from surefoot_agent.slots.directory import DirectorySlots

    folder = state_dir / settings.component
    slots = DirectorySlots(folder, settings.reserve_bytes, settings.reserve_inodes)
    boot, now, trust = SymlinkBoot(folder), datetime.now(timezone.utc), state_dir / "trust"
    manifest = provision(trust, arguments.release, settings.component, arguments.hw, slots, boot, now)
    print(f"{manifest.component} {manifest.version} is in slot A", file=sys.stderr)


def _check_release(settings: Settings, state_dir: Path, arguments: argparse.Namespace) -> None:
    """Refuse a release that could not be taken before the enrolment token is spent."""
    from surefoot_agent.enrol import DEVICE_FACTS, copy_roots
    from surefoot_agent.provision import first_release
    from surefoot_shared.topics import check_device_id

    check_device_id(arguments.device)
    if (state_dir / "identity" / DEVICE_FACTS).exists():
        return  # no token will be spent
    copy_roots(arguments.bootstrap, state_dir)
    first_release(state_dir / "trust", arguments.release, settings.component, arguments.hw, datetime.now(timezone.utc))


def _take_key(path: Path, state_dir: Path) -> None:
    """Make the factory's key this node's own, unless it has one."""
    from surefoot_agent.enrol import PAIR
    from surefoot_shared.identity import key_from_pem, key_to_pem
    from surefoot_shared.trust.durable import write_durably

    own = state_dir / "identity" / f"{PAIR}.key"
    if not own.exists():
        key = key_from_pem(_text(path).encode())
        own.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(own, key_to_pem(key))


def show_key(arguments: argparse.Namespace) -> int:
    from hashlib import sha256

    from surefoot_agent.enrol import DEVICE_FACTS, load_identity, own_key
    from surefoot_shared.identity import public_to_pem

    settings = load(arguments.config)
    enrolled = (settings.state_dir / "identity" / DEVICE_FACTS).exists()
    key = load_identity(settings.state_dir).key() if enrolled else own_key(settings.state_dir)
    digest = sha256(public_to_pem(key.public_key())).hexdigest()
    print(json.dumps({"key_sha256": digest}) if arguments.json else digest)
    return OK


def run(arguments: argparse.Namespace) -> int:
    settings = load(arguments.config)
    logging.basicConfig(
        level=settings.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    from surefoot_agent import node

    node.run(settings)
    return OK


def status(arguments: argparse.Namespace) -> int:
    from surefoot_agent.status import Status, read_status

    settings = load(arguments.config)
    if not any((settings.state_dir / name).exists() for name in ("identity/device.json", "journal.db")):
        raise ConfigError("not_enrolled", f"{settings.state_dir} holds no identity.")
    facts: Status = read_status(settings.state_dir, settings.component)
    if arguments.json:
        print(wire.encode(facts).decode())
        return OK
    rows = [
        ("component", facts.component),
        ("running", f"slot {facts.running_slot}" if facts.running_slot else "nothing"),
        ("committed", facts.committed or "nothing"),
        ("slots", ", ".join(f"{slot} {state}" for slot, state in sorted(facts.slots.items()))),
        ("state", facts.state.value + (f" ({facts.wanted}, attempt {facts.attempt})" if facts.wanted else "")),
        ("last", f"{facts.last_outcome} {facts.last_reason or ''}".strip() if facts.last_outcome else "no attempt yet"),
        ("way back", "kept" if facts.previous_kept else "none: the other slot holds no good release to go back to"),
        ("waits", facts.waits or "for nothing"),
        ("locked", "yes: no switch until `surefoot-agent unlock`" if facts.locked else "no"),
        ("to report", f"{facts.events_waiting} events"),
    ]
    print("\n".join(f"{name:<10} {value}" for name, value in rows))
    return OK


def check(arguments: argparse.Namespace) -> int:
    from surefoot_agent import examine_cli

    return examine_cli.check(arguments)


def doctor(arguments: argparse.Namespace) -> int:
    from surefoot_agent import examine_cli

    return examine_cli.doctor(arguments)


def commit(arguments: argparse.Namespace) -> int:
    return _order(arguments, "commit")


def revert(arguments: argparse.Namespace) -> int:
    return _order(arguments, "revert")


def lock(arguments: argparse.Namespace) -> int:
    return _order(arguments, "lock")


def unlock(arguments: argparse.Namespace) -> int:
    return _order(arguments, "unlock")


def apply(arguments: argparse.Namespace) -> int:
    from surefoot_agent.orders import Verb, ask
    from surefoot_shared.trust.bundle import read_bundle

    file: Path = arguments.file.resolve()
    read_bundle(file)  # what cannot be read is told here and now; what it says is verified by the agent
    release: Path = (arguments.release or file.parent).resolve()
    settings = load(arguments.config)
    answer = ask(settings.state_dir / "agent.sock", Verb.APPLY, file=str(file), release=str(release))
    print(wire.encode(answer).decode() if arguments.json else "apply: ordered; watch it with `surefoot-agent status`")
    return OK


def _order(arguments: argparse.Namespace, verb: str) -> int:
    from surefoot_agent.orders import Verb, ask

    settings = load(arguments.config)
    answer = ask(settings.state_dir / "agent.sock", Verb(verb))
    print(wire.encode(answer).decode() if arguments.json else f"{verb}: ordered")
    return OK


def _text(path: Path | None) -> str:
    """A token or certificates from a file; nothing where none is given."""
    if path is None:
        return ""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config_unreadable", f"The file {path} cannot be read.") from error


if __name__ == "__main__":
    sys.exit(main())
