"""`surefoot-agent helper` and `adopt`: the command lines of the privileged half, for its unit and for root.

Imports what a command needs when it needs it, as the rest of the command line does.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from surefoot_agent.config import load
from surefoot_shared.errors import ConfigError


def add_helper(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both commands."""
    helper = _verb(verbs, "helper", "run the privileged half, as root", "surefoot-agent helper")
    helper.set_defaults(act=run)
    meaning, example = (
        "take an enrolled device into the privileged half's hands",
        "surefoot-agent adopt --release ./1.0",
    )
    adopting = _verb(verbs, "adopt", meaning, example)
    about = "signed release folder to install into slot A; may be repeated, once for each component"
    adopting.add_argument("--release", type=Path, metavar="DIR", action="append", default=[], help=about)
    adopting.set_defaults(act=adopt)


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, meaning: str, example: str
) -> argparse.ArgumentParser:
    description = f"{meaning[0].upper()}{meaning[1:]}."
    verb = verbs.add_parser(name, help=meaning, description=description, epilog=f"Example: {example}")
    verb.add_argument("--config", type=Path, metavar="FILE", help="read this file alone instead of the drop-in folders")
    return verb


def run(arguments: argparse.Namespace) -> int:
    from surefoot_agent import helper

    settings = load(arguments.config)
    logging.basicConfig(
        level=settings.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    helper.run(settings)
    return 0


def adopt(arguments: argparse.Namespace) -> int:
    from surefoot_agent import helper

    settings = load(arguments.config)
    if not settings.helper_socket:
        raise ConfigError("config_invalid", "helper_socket is empty: this device is not split.", "Set helper_socket.")
    manifests = helper.adopt(settings, arguments.release)
    print(f"{settings.helper_dir} holds this device", file=sys.stderr)
    for manifest in manifests:
        print(f"{manifest.component} {manifest.version} is in slot A", file=sys.stderr)
    return 0
