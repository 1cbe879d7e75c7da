"""Which requests each verb of the command line can make, read from its source: callback, helpers, what they call."""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

import surefoot_server.cli as package
from surefoot_server.cli import main

FOLDER = Path(package.__path__[0])
METHODS = {
    "get": "GET",
    "get_raw": "GET",
    "text": "GET",
    "post": "POST",
    "post_file": "POST",
    "post_files": "POST",
    "put": "PUT",
    "put_file": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
}
ANY = "*"
Request = tuple[str, str]
"""(method, path after /api/v1, with `*` for each part that is not written in the source)"""


@dataclass
class Module:
    functions: dict[str, ast.AST] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    """name here → (module, name there)"""


def verbs() -> Iterator[tuple[str, click.Command]]:
    """Every verb of the server's own command line, with its whole name."""
    context = click.Context(main.cli)
    for name in main.cli.list_commands(context):
        found = main.cli.get_command(context, name)
        assert found is not None
        yield from _below(name, found)


def _below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for verb, found in command.commands.items():
            yield from _below(f"{name} {verb}", found)
    else:
        yield name, command


def requests(command: click.Command) -> set[Request]:
    """What the verb may ask of the server."""
    assert command.callback is not None
    callback = inspect.unwrap(command.callback)
    module = callback.__module__.rpartition(".")[2]
    return set(_requests(module, callback.__name__, set()))


def _requests(module: str, name: str, seen: set[tuple[str, str]]) -> Iterator[Request]:
    if (module, name) in seen or module not in _modules():
        return
    seen.add((module, name))
    here = _modules()[module]
    node = here.functions.get(name)
    if node is None:
        if name in here.imports:
            yield from _requests(*here.imports[name], seen)
        return
    local = _local_paths(node)
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and _is_request(inner.func):
            found = _path(inner.args[0], local) if inner.args else None
            if found is not None:
                yield METHODS[inner.func.attr], found
        if isinstance(inner, ast.Name) and inner.id != name:
            yield from _requests(module, inner.id, seen)


def _is_request(function: ast.Attribute) -> bool:
    """`api.get(…)`, whatever else has a `get`."""
    return function.attr in METHODS and isinstance(function.value, ast.Name) and function.value.id == "api"


@functools.cache
def _modules() -> dict[str, Module]:
    found = {}
    for file in FOLDER.glob("*.py"):
        module, tree = Module(), ast.parse(file.read_text())
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                module.functions.setdefault(node.name, node)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package.__name__}."):
                source = str(node.module).rpartition(".")[2]
                module.imports.update({a.asname or a.name: (source, a.name) for a in node.names})
        found[file.stem] = module
    return found


def _local_paths(node: ast.AST) -> dict[str, str]:
    """Paths that stand in a variable of the function."""
    found = {}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assign) and isinstance(inner.targets[0], ast.Name):
            path = _path(inner.value, {})
            if path is not None and path.startswith("/"):
                found[inner.targets[0].id] = path
    return found


def _path(node: ast.expr, local: dict[str, str]) -> str | None:
    """The path that an expression makes; None where it makes none that can be read."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return local.get(node.id, f"/{ANY}{ANY}")
    if isinstance(node, ast.JoinedStr):
        return "".join(_piece(piece, local) for piece in node.values)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "path":
        return "".join(_part(argument) for argument in node.args)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _path(node.left, local), _path(node.right, local)
        return None if left is None or right is None else left + right
    return None


def _piece(piece: ast.expr, local: dict[str, str]) -> str:
    if isinstance(piece, ast.Constant):
        return str(piece.value)
    if isinstance(piece, ast.FormattedValue) and isinstance(piece.value, (ast.Name, ast.Call)):
        found = _path(piece.value, local)
        return ANY if found is None or found == f"/{ANY}{ANY}" else found
    return ANY


def _part(argument: ast.expr) -> str:
    if isinstance(argument, ast.Constant):
        return f"/{argument.value}"
    return f"/{ANY}/{ANY}" if isinstance(argument, ast.Starred) else f"/{ANY}"


def fits(request: Request, method: str, route: str) -> bool:
    """Whether the request may be one to the route, whose variable parts are in braces."""
    if request[0] != method:
        return False
    parts, asked = route.strip("/").split("/"), request[1].partition("?")[0].strip("/").split("/")
    if len(parts) != len(asked):
        return False
    return all(_fits(part, said) for part, said in zip(parts, asked, strict=True))


def _fits(part: str, said: str) -> bool:
    if part.startswith("{"):
        return True
    return re.fullmatch(re.escape(said).replace(r"\*", ".*"), part) is not None
