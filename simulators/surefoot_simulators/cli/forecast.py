"""`surefoot sim forecast`: what a policy would do to a modelled fleet, from three files and without any server."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from surefoot_server.cli import outlook
from surefoot_server.cli.params import Whole
from surefoot_server.cli.terminal import Terminal, json_option, pass_terminal
from surefoot_shared import wire
from surefoot_shared.errors import Invalid

SALT = "forecast"
"""Membership is drawn once: who is in which phase changes no chance."""
SAID_EVERY = 50
FILE = click.Path(path_type=Path, dir_okay=False)
PLACE = click.Path(path_type=Path)


@click.command()
@click.option("--policy", type=FILE, help="The rollout policy (YAML); the default ladder without it.")
@click.option("--fleet", type=FILE, required=True, help="Groups of devices (YAML), or `device list --json`.")
@click.option("--release", type=PLACE, help="What is assumed of it (YAML), a recipe, or a built release.")
@click.option("--runs", type=Whole(1, 100_000), default=1000, show_default=True, help="With each kind of release.")
@click.option("--seed", type=Whole(0, 2**31), default=1, show_default=True, help="The same seed, the same answer.")
@json_option
@pass_terminal
def forecast(terminal: Terminal, policy: Path | None, fleet: Path, release: Path | None, runs: int, seed: int) -> None:
    """Say how long a rollout takes, how many devices run a bad release at worst, how likely verdicts are wrong.

    The server's own planner, engine and judge decide, in virtual time. docs/forecast.md describes the files.

    \b
    Example:
      surefoot sim forecast --policy canary.yaml --fleet fleet.yaml --release release.yaml --runs 1000
      surefoot sim forecast --policy canary.yaml --fleet devices.json --release release.toml
    """
    from surefoot_server.rollouts import policy as policies  # the judge's libraries cost a second
    from surefoot_server.rollouts.forecast.people import from_groups
    from surefoot_server.rollouts.forecast.summary import forecast as play
    from surefoot_simulators.cli import assumptions

    wanted = policies.parse(assumptions.read(policy))
    said = assumptions.release(release, None)
    groups, offline = assumptions.fleet(fleet, said.source)
    given = assumptions.release(release, offline, assumptions.there(wanted, groups, said))
    people = from_groups(wanted, groups, SALT, given.hw)
    if not people.total:
        raise Invalid("malformed", "No device of this fleet is in any phase of this policy.")
    found = play(wanted, people, given.assumed, runs, seed, say=progress(terminal, 2 * runs))
    terminal.data(wire.to_json(found), outlook.text(found))


def progress(terminal: Terminal, of: int) -> Callable[[int], None]:
    """Say now and then how many runs are done, where a person looks on."""
    done = [0]

    def say(more: int) -> None:
        done[0] += more
        if sys.stderr.isatty() and done[0] % SAID_EVERY == 0:
            terminal.say(f"{done[0]} of {of} runs")

    return say
