"""`surefoot-agent cache`: the command line of the site's cache.

Imports what the command needs when it needs it, as the rest of the command line does.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from surefoot_agent.config import load

CACHE = ("cache", "keep what the site downloads, for its other devices", "surefoot-agent cache")


def add_cache(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    name, meaning, example = CACHE
    description = f"{meaning[0].upper()}{meaning[1:]}."
    verb = verbs.add_parser(name, help=meaning, description=description, epilog=f"Example: {example}")
    verb.add_argument("--config", type=Path, metavar="FILE", help="read this file alone instead of the drop-in folders")
    verb.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    from surefoot_agent.download import cache

    settings = load(arguments.config)
    logging.basicConfig(
        level=settings.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    cache.run(settings)
    return 0
