"""`surefoot release unpack`: a Mender artifact becomes a folder to build a release from."""

from __future__ import annotations

from pathlib import Path

import click

from surefoot_server.cli.terminal import Terminal, count, json_option, pass_terminal
from surefoot_shared import wire


@click.command()
@click.argument("artifact", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@json_option
@pass_terminal
def unpack(terminal: Terminal, artifact: Path, folder: Path) -> None:
    """Unpack a Mender ARTIFACT into FOLDER, for devices whose component is of kind module.

    Its checksums are compared; its signature is not, for the release is signed by your own keys. docs/modules.md says
    what the devices need.

    \b
    Example:
      surefoot release unpack counting-1.8.mender ./counting-1.8
      surefoot release build ./counting-1.8 --component app --version 1.8 --counter 108 --hw rpi5 -o ./out
    """
    from surefoot_server.releases import mender

    made = mender.unpack(artifact, folder)
    if asked := mender.depends(made):
        terminal.say(f"The artifact depends on {wire.encode(asked).decode()}, which no device compares:")
        terminal.say("say it with --hw when you build the release, and by the cohort of its rollout.")
    words = f"{made.name}: {count(len(made.files), 'file')} for the module {made.type}, in {folder}"
    terminal.data({"folder": str(folder), "payload": wire.to_json(made)}, words)
