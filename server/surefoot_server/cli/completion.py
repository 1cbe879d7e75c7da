"""`surefoot completion`: the script that lets a shell complete commands, options and their values.

Promises: to complete the first word no command's module is imported, so that pressing Tab costs little more than the
start of Python. Refuses shells that it has no script for.
"""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from surefoot_server.cli.terminal import Terminal, json_option, pass_terminal

PROGRAM, VARIABLE = "surefoot", "_SUREFOOT_COMPLETE"
SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
PLACES = {
    "bash": "~/.local/share/bash-completion/completions/surefoot",
    "zsh": "a folder of $fpath, as _surefoot",
    "fish": "~/.config/fish/completions/surefoot.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
@json_option
@pass_terminal
def completion(terminal: Terminal, shell: str) -> None:
    """Print the script with which SHELL completes commands, options and values; bash needs 4.4 or newer.

    \b
    Example:
      surefoot completion bash > ~/.local/share/bash-completion/completions/surefoot
      surefoot completion zsh > ~/.zfunc/_surefoot
      surefoot completion fish > ~/.config/fish/completions/surefoot.fish
    """
    script = source(shell)
    terminal.data({"shell": shell, "script": script}, script)
    terminal.say(f"Its place: {PLACES[shell]}")


def source(shell: str) -> str:
    """The script, made without asking which version of the shell is installed here."""
    made = SHELLS[shell](click.Command(PROGRAM), {}, PROGRAM, VARIABLE)
    return made.source_template % made.source_vars()
