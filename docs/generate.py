"""Write the pages and blocks that are made from the code:  python docs/generate.py [--check]

Promises: docs/{boards,settings,health,messages,cli}.md, docs/reference/ and the blocks between `<!-- begin NAME -->`
and `<!-- end NAME -->` of README.md, ARCHITECTURE.md and docs/simulator.md say what the code says. `--check` writes
nothing, names what is stale and exits 1; tests/house/test_documents.py calls it. The code is the source: nothing here
knows a fact of its own.
"""

from __future__ import annotations

import inspect
import json
import math
import sys
import textwrap
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import cast

import deliberate_bugs
import man_pages
import markdown
import message_page
import scenario_table
from command_lines import agent_page_parts, help_text, operator_page_parts
from fastapi import APIRouter

from surefoot_agent import components, machine
from surefoot_agent import config as agent_config
from surefoot_agent.boot.boards import BOARDS
from surefoot_server import config as server_config
from surefoot_server import openapi
from surefoot_server.access import matrix
from surefoot_server.access.roles import Role
from surefoot_server.app import DEVICE_ROUTERS, OPERATOR_ROUTERS, create_app
from surefoot_server.channels import requirements
from surefoot_server.cohorts import grammar
from surefoot_server.fleet import document as fleet_document
from surefoot_server.fleet import schema as fleet_schema
from surefoot_server.rollouts import schema
from surefoot_server.rollouts import table as rollout_table
from surefoot_server.state import ServerState
from surefoot_shared import checks, errors, metrics, status
from surefoot_shared.release import CheckKind

ROOT = Path(__file__).parents[1]
MANUAL = ROOT / "build" / "man"
"""Not in git: every change of an option would be two changes of the tree."""


def settings_page() -> str:
    return markdown.page(
        "Settings",
        "agent/surefoot_agent/config.py and server/surefoot_server/config.py",
        "TOML files named `*.toml` in the folders below, read in that order; a later value wins, and the environment "
        "wins over all files. An unknown key is an error that names the key and the file.",
        "## The agent",
        _folders(agent_config.DROP_IN_DIRS) + " `surefoot-agent --config FILE` reads that file alone.",
        _settings(agent_config.SETTINGS, agent_config.ENV_PREFIX),
        "### One component",
        inspect.cleandoc(components.__doc__ or "").partition("\n\n")[0] + " Without any such table the device has one "
        "directory component, named by `component`. These keys stand in files only.",
        _settings(components.TABLE.rows),
        "## The server",
        _folders(server_config.DROP_IN_DIRS) + " Options of `surefoot up` win over both.",
        _settings(server_config.SETTINGS, server_config.ENV_PREFIX),
    )


def _folders(folders: Iterable[Path]) -> str:
    return "Folders: " + ", ".join(f"`{folder}`" for folder in folders) + "."


def _settings(table: Iterable[agent_config.Setting], prefix: str = "") -> str:
    """A row for each key; without a prefix none can be set in the environment."""
    rows = [
        (
            f"`{s.key}`",
            s.unit,
            markdown.value(s.default),
            markdown.bounds(s.low, s.high),
            s.meaning,
            *_in_environment(s, prefix),
        )
        for s in table
    ]
    if not prefix:
        return markdown.table(("key", "unit", "default", "range", "meaning"), rows)
    return markdown.table(("key", "unit", "default", "range", "meaning", "environment"), rows)


def _in_environment(setting: agent_config.Setting, prefix: str) -> tuple[str, ...]:
    if not prefix:
        return ()
    return ("files only" if setting.each else f"`{prefix}{setting.key.upper()}`",)


def errors_page() -> str:
    rows = [(f"`{name}`", kind.who, kind.hint) for name, kind in errors.KINDS.items()]
    families = "\n".join(
        f"- **{cls.__name__}** ({cls.who}): {_own_words(cls)}" for cls in errors.SurefootError.__subclasses__()
    )
    return markdown.page(
        "Error kinds",
        "shared/surefoot_shared/errors.py",
        "Every failure carries a stable `kind`, one sentence and a hint, on the device, in the API, in the command "
        "line and in reports. The family says who must act; `publisher` is whoever builds and signs releases.",
        families,
        markdown.table(("kind", "who acts", "what to do"), rows),
    )


def _own_words(cls: type) -> str:
    """The class's own docstring; a family that has none says so by its kinds."""
    return inspect.cleandoc(cls.__dict__.get("__doc__") or "see the kinds below.")


def permissions_page() -> str:
    def table(routers: Iterable[APIRouter]) -> str:
        found = matrix.rows(route for router in routers for route in router.routes)
        rows = [(f"`{row.method} {row.path}`", *row.cells, row.where) for row in found]
        return markdown.table(("route", *(role.value for role in Role), "over"), rows)

    return markdown.page(
        "Permissions",
        "the guards of the routes (server/surefoot_server/access/guard.py)",
        "A role holds over the fleet, a cohort (`cohort:NAME`) or a channel (`channel:NAME`). A route is open to a "
        "role where there is a ✓ and the role holds over what the last column names; a role over the fleet holds over "
        "everything in it. Whoever has roles in scopes only is refused in the same words whether a thing is elsewhere "
        "or does not exist, and lists leave out what is elsewhere. Where nobody is asked for a role, the last column "
        "says why.",
        "## Operators, on 127.0.0.1",
        table(OPERATOR_ROUTERS),
        "## Devices, over TLS",
        table(DEVICE_ROUTERS),
    )


def metrics_page() -> str:
    rows = [
        (f"`{name}`", m.unit, m.kind, m.better.value, m.meaning + (f" Taken of `{m.of}`." if m.of else ""))
        for name, m in metrics.METRICS.items()
    ]
    return markdown.page(
        "Metrics of devices",
        "shared/surefoot_shared/metrics.py",
        "Every sample carries device, component, release digest and slot. A name that is not listed is kept as an "
        "application metric under the name the application gave it. A gate judges a gauge by its mean over the bake, a "
        "counter by its rise per second, a slope by the gauge's rise per hour, each for every device on its own.",
        markdown.table(("name", "unit", "type", "better", "meaning"), rows),
    )


def cli_page() -> str:
    return markdown.page(
        "Command line",
        "the commands themselves",
        "Data goes to stdout, talk to stderr. Exit codes are the same everywhere.",
        *operator_page_parts(),
        *agent_page_parts(),
    )


def health_page() -> str:
    return markdown.page(
        "Health checks",
        "shared/surefoot_shared/checks.py and docs/health.head.md",
        (ROOT / "docs/health.head.md").read_text().rstrip(),
        "## The kinds",
        *(_kind(kind, spec) for kind, spec in checks.SPECS.items()),
    )


def _kind(kind: CheckKind, spec: checks.Spec) -> str:
    example = f'[[checks]]\nname = "my-{kind.value}"\nkind = "{kind.value}"\n'
    example += f"params = {{ {spec.example} }}\n" if spec.example else ""
    rows = [
        (f"`{p.key}`", p.unit, "required" if p.required else "", _limits(p.low, p.high), p.meaning) for p in spec.params
    ]
    table = markdown.table(("parameter", "unit", "", "range", "meaning"), rows) if rows else "It takes no parameters."
    return "\n\n".join((f"### {kind.value}", spec.proves, table, f"```toml\n{example}```"))


def _limits(low: float, high: float) -> str:
    ends = (
        f"from {markdown.figure(low)}" if math.isfinite(low) else "",
        f"to {markdown.figure(high)}" if math.isfinite(high) else "",
    )
    return " ".join(end for end in ends if end)


def boards_page() -> str:
    rows = [
        f"| {board.name} | {board.loader} | `{board.setting}` |"
        f" **{board.tested.value}**{': ' if board.how else ''}{board.how} | {'; '.join(board.sets)} |"
        f" {', '.join(f'`{unit}`' for unit in board.units) or 'none'} |"
        f" {', '.join(f'`{name}`' for name in board.look) or '–'} |"
        for board in BOARDS
    ]
    return markdown.page(
        "Boards",
        "agent/surefoot_agent/boot/boards.py",
        "How a root file system is switched on each board, what that was tested on, and what an integrator must set. "
        "No board was ever tested on its hardware here: prove one good update, one bad one and one power cut on each "
        "kind of yours before a fleet gets it. [boot-control.md](boot-control.md) says how each works.",
        "Every switch, on every kind, was cut before each of its writes and in the middle of what can tear; emulated "
        "parts are small programs in `simulators/surefoot_simulators/bootloader` that keep the documented behaviour of "
        "the real ones, and their failures.",
        "| board | bootloader | setting | tested on | to be set | to be masked | findings of `check` beside `boot`, "
        "`panic`, `watchdog`, `mark_good` |\n|---|---|---|---|---|---|---|\n" + "\n".join(rows),
    )


def policy_page() -> str:
    rows = [(f"`{k.path}`", k.kind, f"`{k.default}`" if k.default else "", k.meaning) for k in schema.every_key()]
    return markdown.page(
        "The rollout policy",
        "server/surefoot_server/rollouts/schema.py, which asks the parser",
        "A YAML document; an empty one has every default. A key that is not listed is an error that names its line. "
        "`[]` stands for each item of a list. [policy.schema.json](policy.schema.json) is the same for editors and "
        "pipelines.",
        markdown.table(("key", "may hold", "default", "meaning"), rows),
    )


def policy_schema() -> str:
    return json.dumps(schema.to_json(), indent=2, ensure_ascii=False) + "\n"


def fleet_page() -> str:
    rows = [(f"`channels.*.{name}`", said) for name, said in fleet_schema.CHANNEL.items()]
    rows += [(f"`channels.*.requires.{k.path}`", k.kind) for k in schema.keys_of(requirements.read)]
    rows += [(f"`webhooks.*.{name}`", said) for name, said in fleet_schema.WEBHOOK.items()]
    return markdown.page(
        "The fleet's document",
        "server/surefoot_server/fleet/document.py, channels/requirements.py and their parsers",
        inspect.cleandoc(fleet_document.__doc__ or ""),
        "`surefoot diff -f fleet.yaml` says what it would change, `surefoot apply -f fleet.yaml` does it, `surefoot "
        "export` writes it. [fleet.schema.json](fleet.schema.json) is the same for editors and pipelines; a policy's "
        "keys are in [policy.md](policy.md), expressions in [cohorts.md](cohorts.md).",
        markdown.table(("key", "what it is"), rows),
    )


def fleet_schema_json() -> str:
    return json.dumps(fleet_schema.to_json(), indent=2, ensure_ascii=False) + "\n"


def openapi_json() -> str:
    """Of an application without a server behind it: the description asks for none."""
    app = create_app(cast(ServerState, None))
    return json.dumps(openapi.described(app), indent=2, ensure_ascii=False) + "\n"


def states_page() -> str:
    words = [
        (f"`{e.__name__}`", inspect.cleandoc(e.__dict__.get("__doc__") or "").partition("\n")[0], _members(e))
        for e in vars(status).values()
        if isinstance(e, type) and issubclass(e, Enum) and e.__module__ == status.__name__
    ]
    return markdown.page(
        "States and outcomes",
        "status.py of shared, machine.py of the agent and rollouts/table.py of the server",
        "The same words in messages, API, command line, console and logs. What each means is in "
        "[ARCHITECTURE.md](../../ARCHITECTURE.md).",
        markdown.table(("of", "what it says", "words"), words),
        "## A device's attempt",
        agent_diagram().rstrip(),
        "## A rollout",
        rollout_diagram().rstrip(),
        "## A phase of a rollout",
        phase_diagram().rstrip(),
    )


def _members(kind: type[Enum]) -> str:
    return ", ".join(f"`{member.value}`" for member in kind)


def cohorts_page() -> str:
    return markdown.page(
        "Cohort expressions",
        "server/surefoot_server/cohorts/grammar.py",
        inspect.cleandoc(grammar.__doc__ or ""),
        "## The grammar",
        "In the notation of Lark; the database and the simulators give the same answers.",
        f"```\n{textwrap.dedent(grammar.GRAMMAR).strip()}\n```",
    )


PAGES: dict[str, Callable[[], str]] = {
    "docs/boards.md": boards_page,
    "docs/health.md": health_page,
    "docs/settings.md": settings_page,
    "docs/reference/errors.md": errors_page,
    "docs/reference/permissions.md": permissions_page,
    "docs/messages.md": message_page.page,
    "docs/reference/metrics.md": metrics_page,
    "docs/reference/policy.md": policy_page,
    "docs/reference/policy.schema.json": policy_schema,
    "docs/reference/fleet.md": fleet_page,
    "docs/reference/fleet.schema.json": fleet_schema_json,
    "docs/reference/openapi.json": openapi_json,
    "docs/reference/states.md": states_page,
    "docs/reference/cohorts.md": cohorts_page,
    "docs/cli.md": cli_page,
}


def agent_diagram() -> str:
    return markdown.mermaid(machine.to_mermaid())


def rollout_diagram() -> str:
    return markdown.mermaid(rollout_table.to_mermaid(rollout_table.ROLLOUT))


def phase_diagram() -> str:
    return markdown.mermaid(rollout_table.to_mermaid(rollout_table.PHASE))


BLOCKS: dict[str, dict[str, Callable[[], str]]] = {
    "ARCHITECTURE.md": {
        "agent states": agent_diagram,
        "rollout states": rollout_diagram,
        "phase states": phase_diagram,
    },
    "docs/simulator.md": {
        "promises": scenario_table.promises,
        "faults": scenario_table.faults,
        "library": scenario_table.library,
        "deliberate bugs": deliberate_bugs.table,
    },
    "README.md": {
        "surefoot --help": lambda: help_text("surefoot"),
        "surefoot-agent --help": lambda: help_text("surefoot-agent"),
    },
}


def made() -> dict[Path, str]:
    """Every page as it should be, by path."""
    whole = {ROOT / name: page() for name, page in PAGES.items()}
    for name, blocks in BLOCKS.items():
        whole[ROOT / name] = _with_blocks((ROOT / name).read_text(), blocks)
    return whole


def _with_blocks(text: str, blocks: dict[str, Callable[[], str]]) -> str:
    for name, block in blocks.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise SystemExit(f"the markers of {name!r} are missing")
        text = f"{before}{begin}{block()}{end}{after}"
    return text


def main(argv: list[str]) -> int:
    pages = made()
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    if "--check" in argv:
        print("\n".join(f"{path.relative_to(ROOT)} is stale: run `make docs`" for path in stale))
        return 1 if stale else 0
    for path in stale:
        path.write_text(pages[path])
        print(path.relative_to(ROOT))
    MANUAL.mkdir(parents=True, exist_ok=True)
    for name, text in man_pages.pages().items():
        (MANUAL / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
