"""The command line of the device: enrol, key, run, status, check, doctor, commit, revert, lock, unlock, apply, trust.

Promises: data on stdout, talk on stderr, `--json` on every command that answers, and the exit codes of `EXIT_CODES`.
Imports what a command needs when it needs it: `status` must be quick on the smallest board.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot_agent import lean
from surefoot_agent.cache_cli import add_cache
from surefoot_agent.config import components_of, load
from surefoot_agent.enrol_cli import ENROL, add_enrol
from surefoot_agent.helper_cli import add_helper
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

if TYPE_CHECKING:
    from surefoot_agent.components import ComponentSettings
    from surefoot_agent.config import Settings
    from surefoot_agent.ports import BootControl
    from surefoot_agent.status import Status

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
    if argv is None and sys.getfilesystemencoding() != "utf-8":
        # A release's names are UTF-8; under a legacy locale files would get others, or none could be written.
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 -- itself
    if argv is None:  # the process is ours
        lean.leave_out_signers()
    try:
        try:
            return _run_command(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader left (`surefoot-agent … | head`): what is still buffered has nowhere to go, also at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _run_command(argv: Sequence[str] | None) -> int:
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
    add_enrol(_verb(verbs, *ENROL))
    _answering(
        verbs, "key", show_key, "show the sha256 of this node's key, for `device preauthorise`", "surefoot-agent key"
    )
    _verb(verbs, "run", run, "run the agent until it is told to stop", "surefoot-agent run --config agent.toml")
    _of_component(
        _answering(verbs, "status", status, "show slots, attempt and last outcome", "surefoot-agent status --json")
    )
    looking = _answering(verbs, "check", check, "is this node able to update and to revert?", "surefoot-agent check")
    looking.add_argument("--read-slots", action="store_true", help="read every byte of both slots back, too")
    meaning = "which credential or link fails, and why?"
    _answering(verbs, "doctor", doctor, meaning, "surefoot-agent doctor --json")
    meaning = "commit the release on trial now, before its soak ends"
    _of_component(_answering(verbs, "commit", commit, meaning, "surefoot-agent commit"))
    meaning = "go back from the release on trial to the one before"
    _of_component(_answering(verbs, "revert", revert, meaning, "surefoot-agent revert"))
    _answering(verbs, "lock", lock, "keep the device from switching, for as long as it takes", "surefoot-agent lock")
    _answering(verbs, "unlock", unlock, "allow switching again", "surefoot-agent unlock")
    add_helper(verbs)
    add_cache(verbs)
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


def _answering(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    act: Callable[[argparse.Namespace], int],
    meaning: str,
    example: str,
) -> argparse.ArgumentParser:
    verb = _verb(verbs, name, act, meaning, example)
    verb.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return verb


def _of_component(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--component", metavar="NAME", help="this component alone (default: all of this device)")


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


def show_key(arguments: argparse.Namespace) -> int:
    from hashlib import sha256

    from surefoot_agent.enrol import own_key
    from surefoot_agent.identity import DEVICE_FACTS, load_identity
    from surefoot_shared.identity import public_to_pem

    settings = load(arguments.config)
    enrolled = (settings.state_dir / "identity" / DEVICE_FACTS).exists()
    key = load_identity(settings.state_dir).key() if enrolled else own_key(settings.state_dir)
    digest = sha256(public_to_pem(key.public_key())).hexdigest()
    print(json.dumps({"key_sha256": digest}) if arguments.json else digest)
    return OK


def run(arguments: argparse.Namespace) -> int:
    try:
        settings = load(arguments.config)
    except ConfigError as error:
        print(f"surefoot-agent: {error}", file=sys.stderr)
        from surefoot_agent import distress

        distress.tell(error, arguments.config, os.environ)
        return exit_code(error)
    logging.basicConfig(
        level=settings.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    from surefoot_agent import node

    node.run(settings)
    return OK


def status(arguments: argparse.Namespace) -> int:
    from surefoot_agent.status import read_status

    settings = load(arguments.config)
    if not any((settings.state_dir / name).exists() for name in ("identity/device.json", "journal.db")):
        raise ConfigError("not_enrolled", f"{settings.state_dir} holds no identity.")
    known = {component.name: component for component in components_of(settings)}
    asked = [chosen(list(known), arguments.component)] if arguments.component else list(known)
    found = [
        read_status(settings.state_dir, name, settings.component_dir(name), _boot(settings, known[name]))
        for name in asked
    ]
    if arguments.json:
        print(wire.encode(found[0] if len(found) == 1 else {"components": found, "v": 1}).decode())
    else:
        print("\n\n".join(_status_text(facts) for facts in found))
    return OK


def _boot(settings: Settings, component: ComponentSettings) -> Callable[[], BootControl] | None:
    """What says which slot runs, for a component that is entered by a restart of the machine."""
    if component.boot == "symlink":
        return None
    if settings.helper_socket:
        from surefoot_agent.privileged.inquiry import line_to
        from surefoot_agent.privileged.proxies import PrivilegedBoot

        return lambda: PrivilegedBoot(line_to(settings, component))
    from surefoot_agent.boot.select import boot_of

    return lambda: boot_of(component, settings.component_dir(component.name))


def chosen(names: Sequence[str], component: str) -> str:
    """The component that a person named. Raises NotFound."""
    if component not in names:
        message = f"This device has no component {component}."
        raise NotFound("not_found", message, f"It has {', '.join(names)}.")
    return component


def _status_text(facts: Status) -> str:
    from surefoot_agent.storage import UNREADABLE

    lost = "unknown: the journal cannot be read"
    way_back = "kept" if facts.previous_kept else "none: the other slot holds no good release to go back to"
    said = f"({facts.last_message})" if facts.last_message else ""
    last = (facts.last_outcome, facts.last_reason, said)
    rows = [
        ("component", facts.component),
        ("agent", _lives(facts.agent_runs, "surefoot-agent")),
        ("guard", _lives(facts.guard_runs, f"surefoot-guard@{facts.component}")),
        *([] if facts.journal_readable else [("journal", UNREADABLE)]),
        ("running", f"slot {facts.running_slot}" if facts.running_slot else "nothing"),
        ("committed", facts.committed or ("nothing" if facts.journal_readable else lost)),
        ("slots", ", ".join(f"{slot} {state}" for slot, state in sorted(facts.slots.items())) or "not to be seen here"),
        ("state", facts.state.value + (f" ({facts.wanted}, attempt {facts.attempt})" if facts.wanted else "")),
        ("last", " ".join(filter(None, last)) if facts.last_outcome else "no attempt yet"),
        ("way back", way_back if facts.journal_readable else lost),
        ("waits", facts.waits or "for nothing"),
        ("locked", facts.held or "no"),
        ("to report", f"{facts.events_waiting} events"),
    ]
    return "\n".join(f"{name:<10} {_plain(value)}" for name, value in rows)


def _lives(runs: bool | None, unit: str) -> str:
    return {True: "runs", False: f"does not run: `systemctl start {unit}`", None: "unknown: look as root"}[runs]


def _plain(text: str) -> str:
    """What an application gave as its reason is shown as text: no escape sequence of it reaches the terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


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
    from surefoot_shared.trust.bundle import read_bundle, unpack

    file: Path = arguments.file.resolve()
    bundle = unpack(read_bundle(file))
    settings = load(arguments.config)
    _refuse_neighbours(bundle.device, settings.state_dir)  # told here and now; what it says is verified by the agent
    release: Path = (arguments.release or file.parent).resolve()
    answer = ask(settings.state_dir / "agent.sock", Verb.APPLY, file=str(file), release=str(release))
    wanted = answer.get("wanted")
    named = ", ".join(map(str, wanted)) if isinstance(wanted, list) else ""
    print(
        wire.encode(answer).decode()
        if arguments.json
        else f"apply: verified; ordered is {named or 'nothing'}; `surefoot-agent status` shows how it goes"
    )
    return OK


def _refuse_neighbours(device: str, state_dir: Path) -> None:
    """A stick holds the bundles of a whole site. Says nothing where the identity is not for this user's eyes."""
    from surefoot_agent.identity import load_identity

    try:
        own = load_identity(state_dir).device
    except (SurefootError, PermissionError):
        return
    if device != own:
        hint = f"Give the bundle that was made for {own}."
        raise UntrustedRelease("wrong_device", f"The bundle was made for {device[:70]!r}; this is {own}.", hint)


def _order(arguments: argparse.Namespace, verb: str) -> int:
    from surefoot_agent.orders import Verb, ask

    settings = load(arguments.config)
    more = {"component": arguments.component} if getattr(arguments, "component", None) else {}
    answer = ask(settings.state_dir / "agent.sock", Verb(verb), **more)
    print(wire.encode(answer).decode() if arguments.json else f"{verb}: ordered")
    return OK


if __name__ == "__main__":
    sys.exit(main())
