"""`surefoot`: the operator's command line. Commands are found by name and loaded only when they are used.

Promises: the exit code is the answer (0 ok, 1 failure, 2 usage, 3 not found, 4 not allowed, 5 conflicting state, 6 gate
failed or rollout stopped, 7 timed out waiting, 8 verification failed, 130 interrupted); every error says what, why and
what to do, on stderr. Other packages add commands by the entry point group `surefoot.cli`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from surefoot_server.cli.terminal import DEFAULT_SERVER, Terminal
from surefoot_shared.errors import ConfigError, Conflict, Invalid, NotAllowed, NotFound, SurefootError, UntrustedRelease

COMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("surefoot_server.cli.up:up", "Run the whole server in one process."),
    "keys": ("surefoot_server.cli.keys:keys", "Make and show a fleet's keys."),
    "enrol-token": ("surefoot_server.cli.enrol_token:enrol_token", "Let new devices join the fleet."),
    "factory-ca": ("surefoot_server.cli.factory_ca:factory_ca", "Let devices in by their factory's certificate."),
    "device": ("surefoot_server.cli.device:device", "See devices, and why one is not updating."),
    "release": ("surefoot_server.cli.release:release", "Build, sign and publish releases."),
    "cohort": ("surefoot_server.cli.cohort:cohort", "Save queries over devices."),
    "site": ("surefoot_server.cli.site:site", "See sites, and say where they are."),
    "channel": ("surefoot_server.cli.channel:channel", "Move releases from dev to staging to production."),
    "policy": ("surefoot_server.cli.policy:policy", "See saved policies."),
    "apply": ("surefoot_server.cli.fleet:apply", "Make the fleet's configuration what a file says."),
    "diff": ("surefoot_server.cli.fleet:diff", "Compare the fleet's configuration with a file."),
    "export": ("surefoot_server.cli.fleet:export", "Write the fleet's configuration as a file."),
    "rollout": ("surefoot_server.cli.rollout:rollout", "Plan, start, watch and stop rollouts."),
    "drill": ("surefoot_server.cli.drill:drill", "Rehearse going back, and measure how long it takes."),
    "advisory": ("surefoot_server.cli.advisory:advisory", "Import known vulnerabilities; see and withdraw advisories."),
    "flag": ("surefoot_server.cli.feedback:flag", "See and withdraw what was flagged."),
    "hook": ("surefoot_server.cli.feedback:hook", "Give other systems an address that stops a rollout."),
    "webhook": ("surefoot_server.cli.webhook:webhook", "Tell other systems and people what happens."),
    "user": ("surefoot_server.cli.user:user", "Let people in, each with a role over the fleet or a part of it."),
    "token": ("surefoot_server.cli.token:token", "Let programs in, with roles that end."),
    "telemetry": ("surefoot_server.cli.telemetry:telemetry", "See what devices measure, and how they fail."),
    "event": ("surefoot_server.cli.event:event", "See what happened."),
    "audit": ("surefoot_server.cli.audit:audit", "Read who did what."),
    "completion": ("surefoot_server.cli.completion:completion", "Let a shell complete commands and options."),
    "backup": ("surefoot_server.cli.backup:backup", "Write the whole server into one file."),
    "restore": ("surefoot_server.cli.backup:restore", "Put a backup into empty folders."),
}
"""name → (where it is, its line in the overview), so that the overview imports nothing."""
ENTRY_POINTS = "surefoot.cli"
LINES: Mapping[str, str] = {"sim": "Try releases and policies on simulated fleets."}
"""Of commands that come by entry point: their line, where it is known without importing them."""
EXIT_CODES: Mapping[type[SurefootError], int] = {
    ConfigError: 2,
    Invalid: 2,
    NotFound: 3,
    NotAllowed: 4,
    Conflict: 5,
    UntrustedRelease: 8,
}
CONFLICTING = frozenset({"already_running", "conflict", "port_in_use"})
"""Kinds of ConfigError that are about the state of things, not about a setting; `surefoot-agent` has the same."""
CONFLICT = 5
INTERRUPTED = 130


class Commands(click.Group):
    """The group of all commands; a command's module is imported when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *sorted(_added())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module, _, name = COMMANDS[cmd_name][0].partition(":")
            found = getattr(importlib.import_module(module), name)
        elif cmd_name in (added := _added()):
            found = added[cmd_name].load()
        else:
            return None
        assert isinstance(found, click.Command)
        return found

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command from the table alone: to import every command would take a second."""
        lines = {name: line for name, (_, line) in COMMANDS.items()} | {name: LINES.get(name, "") for name in _added()}
        found = [CompletionItem(name, help=line) for name, line in lines.items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, line) for name, (_, line) in COMMANDS.items()]
        for name, point in sorted(_added().items()):
            rows.append((name, LINES.get(name) or f"Added by {point.value.partition('.')[0]}."))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _added() -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=ENTRY_POINTS)}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--server", envvar="SUREFOOT_SERVER", default=DEFAULT_SERVER, show_default=True, help="The server's URL.")
@click.option(
    "--token-file",
    envvar="SUREFOOT_TOKEN_FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the API token; also SUREFOOT_TOKEN_FILE.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the API's own JSON; every command knows it.")
@click.version_option(package_name="surefoot", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context, server: str, token_file: Path | None, as_json: bool) -> None:
    """Over-the-air updates for camera fleets that always land on their feet.

    Data goes to stdout, talk to stderr. Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 not allowed,
    5 conflicting state, 6 gate failed or rollout stopped, 7 timed out waiting, 8 verification failed,
    130 interrupted.

    \b
    Example:
      surefoot up --data ./data --keys ./keys
      surefoot rollout start --release app/1.1 --cohort all
      surefoot rollout status r1 -w
    """
    context.obj = Terminal(server, token_file, as_json)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its answer."""
    try:
        code = run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader left (`surefoot … | head`): what is still buffered has nowhere to go, also at interpreter exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit code. A bug of ours is not caught."""
    try:
        answer = cli.main(list(arguments) if arguments is not None else None, "surefoot", standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort as aborted:
        # A prompt aborts at Ctrl-C and at the end of its input; what it caught is the cause or the context.
        if isinstance(aborted.__cause__ or aborted.__context__, KeyboardInterrupt):
            return _interrupted()
        click.echo("Nothing was done.", err=True)
        return 1
    except KeyboardInterrupt:
        return _interrupted()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SurefootError as error:
        click.echo(told(error), err=True)
        return exit_code(error)
    return answer if isinstance(answer, int) else 0


def _interrupted() -> int:
    click.echo("Interrupted.", err=True)
    return INTERRUPTED


def exit_code(error: SurefootError) -> int:
    if error.kind in CONFLICTING:
        return CONFLICT
    return next((code for family, code in EXIT_CODES.items() if isinstance(error, family)), 1)


def told(error: SurefootError) -> str:
    """An error for a person: what, and what to do, each on its line."""
    lines = [f"Error: {error.message} [{error.kind}]", f"  {error.hint}" if error.hint else ""]
    return "\n".join(line for line in lines if line)
