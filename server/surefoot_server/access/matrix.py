"""Who may use which route, read from the guards that stand on the routes themselves: what enforces is what is shown.

Promises: one row for each method of each route, sorted; a route without a guard is in the list, with no permission, so
that it can be found. Refuses to hold a list of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from surefoot_server.access.guard import Permission
from surefoot_server.access.roles import Role


@dataclass(frozen=True, slots=True)
class Row:
    path: str
    method: str
    permission: Permission | None

    @property
    def cells(self) -> tuple[str, ...]:
        """One for each role: may it, where it holds over what the route is about."""
        needed = self.permission.role if self.permission is not None else Role.ADMIN
        return tuple("✓" if needed is None or role.includes(needed) else "" for role in Role)

    @property
    def where(self) -> str:
        """Over what the role must hold, or why nobody is asked for one."""
        if self.permission is None:
            return ""
        return self.permission.reason or self.permission.over.value


def rows(routes: Iterable[object]) -> list[Row]:
    """Every route and those of included routers; works on an application's routes and on a router's."""
    found = {
        (str(getattr(route, "path", route)), method): _permission(route)
        for route in flat(routes)
        for method in getattr(route, "methods", None) or {"?"}
    }
    return [Row(path, method, permission) for (path, method), permission in sorted(found.items(), key=lambda i: i[0])]


def flat(listed: Iterable[object]) -> Iterator[object]:
    """Every route, those of included routers too."""
    for route in listed:
        below = getattr(route, "original_router", None)  # how FastAPI keeps an included router
        if isinstance(below, APIRouter):
            yield from flat(below.routes)
        else:
            yield route


def _permission(route: object) -> Permission | None:
    return next(_permissions(route.dependant), None) if isinstance(route, APIRoute) else None


def _permissions(dependant: Dependant) -> Iterator[Permission]:
    found = getattr(dependant.call, "permission", None)
    if isinstance(found, Permission):
        yield found
    for below in dependant.dependencies:
        yield from _permissions(below)
