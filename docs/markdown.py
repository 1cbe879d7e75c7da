"""The shapes that the pages made from the code are written in."""

from __future__ import annotations

from collections.abc import Iterable

MADE = "<!-- Made by docs/generate.py from {source}; change that and run `make docs`. -->"


def page(title: str, source: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", MADE.format(source=source), *parts]) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mermaid(diagram: str) -> str:
    return f"```mermaid\n{diagram.rstrip()}\n```\n"


def value(of: object) -> str:
    if of == "" or of == {}:
        return "empty"
    return f"`{of:g}`" if isinstance(of, float) else f"`{of}`"


def bounds(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{figure(low)} to {figure(high)}"


def figure(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else f"{number:g}"
