"""Write the pages and blocks that are made from the code:  python docs/generate.py [--check]

Promises: docs/{settings,errors,health,messages,metrics,cli}.md and the blocks between `<!-- begin NAME -->` and
`<!-- end NAME -->` of README.md and ARCHITECTURE.md say what the code says. `--check` writes nothing, names what is
stale and exits 1; tests/house/test_documents.py calls it. The code is the source: nothing here knows a fact of its own.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path

from command_lines import agent_page_parts, help_text, operator_page_parts

from surefoot_agent import components, machine
from surefoot_agent import config as agent_config
from surefoot_server import config as server_config
from surefoot_server.rollouts import table as rollout_table
from surefoot_shared import checks, errors, messages, metrics, topics
from surefoot_shared.release import CheckKind

ROOT = Path(__file__).parents[1]
MADE = "<!-- Made by docs/generate.py from {source}; change that and run `make docs`. -->"
PAYLOADS = {
    "bundle": "the compressed trust bundle (zlib; proved by its metadata)",
    "ack": "`Ack`",
    "lease": "`Lease`",
    "request": "`Request`",
    "hello": "`Hello`, sealed",
    "events": "`Events`, each event sealed",
    "telemetry": "`TelemetryBatch`",
    "presence": "`PresenceMessage`, retained, also the last will",
    "response": "`Response`",
}


def settings_page() -> str:
    return _page(
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
        (f"`{s.key}`", s.unit, _value(s.default), _range(s.low, s.high), s.meaning, *_in_environment(s, prefix))
        for s in table
    ]
    if not prefix:
        return _table(("key", "unit", "default", "range", "meaning"), rows)
    return _table(("key", "unit", "default", "range", "meaning", "environment"), rows)


def _in_environment(setting: agent_config.Setting, prefix: str) -> tuple[str, ...]:
    if not prefix:
        return ()
    return ("files only" if setting.each else f"`{prefix}{setting.key.upper()}`",)


def errors_page() -> str:
    rows = [(f"`{name}`", kind.who, kind.hint) for name, kind in errors.KINDS.items()]
    families = "\n".join(
        f"- **{cls.__name__}** ({cls.who}): {_own_words(cls)}" for cls in errors.SurefootError.__subclasses__()
    )
    return _page(
        "Error kinds",
        "shared/surefoot_shared/errors.py",
        "Every failure carries a stable `kind`, one sentence and a hint, on the device, in the API, in the command "
        "line and in reports. The family says who must act; `publisher` is whoever builds and signs releases.",
        families,
        _table(("kind", "who acts", "what to do"), rows),
    )


def _own_words(cls: type) -> str:
    """The class's own docstring; a family that has none says so by its kinds."""
    return inspect.cleandoc(cls.__dict__.get("__doc__") or "see the kinds below.")


def metrics_page() -> str:
    rows = [(f"`{name}`", m.unit, m.kind, m.meaning) for name, m in metrics.METRICS.items()]
    return _page(
        "Metrics of devices",
        "shared/surefoot_shared/metrics.py",
        "Every sample carries device, component, release digest and slot. A name that is not listed is kept as an "
        "application metric under the name the application gave it.",
        _table(("name", "unit", "type", "meaning"), rows),
    )


def messages_page() -> str:
    ways = [(f"`{topics.PREFIX}/d/{{id}}/down/{what}`", "server", PAYLOADS[what]) for what in topics.DOWN]
    ways += [(f"`{topics.PREFIX}/d/{{id}}/up/{what}`", "device", PAYLOADS[what]) for what in topics.UP]
    ways += [
        (f"`{topics.FLEET_HALT}`", "server, retained", "the signed halt list"),
        (f"`{topics.FLEET_TRUST}`", "server, retained", "`TrustHint`"),
    ]
    return _page(
        "Messages",
        "shared/surefoot_shared/messages.py",
        inspect.cleandoc(messages.__doc__ or ""),
        "A device reads "
        + ", ".join(f"`{t}`" for t in topics.READ)
        + " and writes "
        + ", ".join(f"`{t}`" for t in topics.WRITE)
        + "; `%u` is the common name of its certificate. The broker refuses everything else.",
        _table(("topic", "from", "payload"), ways),
        *_classes(),
        "## Words in the messages",
        _table(
            ("enumeration", "values"),
            [(f"`{e.__name__}`", ", ".join(f"`{m.value}`" for m in e)) for e in _enums()],
        ),
    )


def _classes() -> Iterator[str]:
    notes = _field_notes(Path(inspect.getfile(messages)).read_text())
    for cls in vars(messages).values():
        if not (dataclasses.is_dataclass(cls) and isinstance(cls, type) and cls.__module__ == messages.__name__):
            continue
        written = cls.__doc__ or ""
        yield f"## {cls.__name__}" + (
            "" if written.startswith(f"{cls.__name__}(") else f"\n\n{inspect.cleandoc(written)}"
        )
        rows = [
            (f"`{f.name}`", f"`{f.type}`".replace("|", "\\|"), _default(f), notes.get((cls.__name__, f.name), ""))
            for f in dataclasses.fields(cls)
        ]
        yield _table(("field", "type", "default", "meaning"), rows)


def _enums() -> list[type[Enum]]:
    own = [v for v in vars(messages).values() if isinstance(v, type) and issubclass(v, Enum) and v is not Enum]
    return sorted(own, key=lambda e: e.__name__)


def _field_notes(source: str) -> dict[tuple[str, str], str]:
    """(class, field) → the string literal that stands under the field."""
    notes: dict[tuple[str, str], str] = {}
    for cls in (n for n in ast.parse(source).body if isinstance(n, ast.ClassDef)):
        for field, note in zip(cls.body, cls.body[1:], strict=False):
            is_note = isinstance(note, ast.Expr) and isinstance(note.value, ast.Constant)
            if is_note and isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                notes[cls.name, field.target.id] = " ".join(str(note.value.value).split())
    return notes


def cli_page() -> str:
    return _page(
        "Command line",
        "the commands themselves",
        "Data goes to stdout, talk to stderr. Exit codes are the same everywhere.",
        *operator_page_parts(),
        *agent_page_parts(),
    )


def health_page() -> str:
    return _page(
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
    table = _table(("parameter", "unit", "", "range", "meaning"), rows) if rows else "It takes no parameters."
    return "\n\n".join((f"### {kind.value}", spec.proves, table, f"```toml\n{example}```"))


def _limits(low: float, high: float) -> str:
    ends = (f"from {_figure(low)}" if math.isfinite(low) else "", f"to {_figure(high)}" if math.isfinite(high) else "")
    return " ".join(end for end in ends if end)


PAGES: dict[str, Callable[[], str]] = {
    "docs/health.md": health_page,
    "docs/settings.md": settings_page,
    "docs/errors.md": errors_page,
    "docs/messages.md": messages_page,
    "docs/metrics.md": metrics_page,
    "docs/cli.md": cli_page,
}


def agent_diagram() -> str:
    return _mermaid(machine.to_mermaid())


def rollout_diagram() -> str:
    return _mermaid(rollout_table.to_mermaid(rollout_table.ROLLOUT))


def phase_diagram() -> str:
    return _mermaid(rollout_table.to_mermaid(rollout_table.PHASE))


BLOCKS: dict[str, dict[str, Callable[[], str]]] = {
    "ARCHITECTURE.md": {
        "agent states": agent_diagram,
        "rollout states": rollout_diagram,
        "phase states": phase_diagram,
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


def _page(title: str, source: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", MADE.format(source=source), *parts]) + "\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _mermaid(diagram: str) -> str:
    return f"```mermaid\n{diagram.rstrip()}\n```\n"


def _value(value: object) -> str:
    if value == "" or value == {}:
        return "empty"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{_figure(low)} to {_figure(high)}"


def _figure(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else f"{number:g}"


def _default(field: dataclasses.Field[object]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"`{field.default.value if isinstance(field.default, Enum) else field.default!r}`"
    return "required" if field.default_factory is dataclasses.MISSING else "empty"


def main(argv: list[str]) -> int:
    pages = made()
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    if "--check" in argv:
        print("\n".join(f"{path.relative_to(ROOT)} is stale: run `make docs`" for path in stale))
        return 1 if stale else 0
    for path in stale:
        path.write_text(pages[path])
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
