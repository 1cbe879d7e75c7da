"""`surefoot sim`: the group and its commands."""

from __future__ import annotations

import click

from surefoot_server.cli.terminal import Verbs
from surefoot_simulators.cli.forecast import forecast
from surefoot_simulators.cli.run import run


@click.group(cls=Verbs)
def sim() -> None:
    """Try releases, policies and health checks on simulated fleets, before the real one.

    \b
    Example:
      surefoot sim run simulators/scenarios
      surefoot sim forecast --policy canary.yaml --fleet fleet.yaml --release release.yaml
    """


sim.add_command(run)
sim.add_command(forecast)
