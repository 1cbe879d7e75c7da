"""The API's own description, OpenAPI 3.1: what FastAPI reads from the routes, with what it cannot know put in.

Promises: every operation has a stable, unique id (tag and function), a summary (the first sentence of its docstring
where there is one), the token that it asks for, and the problems that it may answer with, in the media type that they
really have. docs/reference/openapi.json is made from it.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from surefoot_server.errors import MEDIA_TYPE, document
from surefoot_server.openapi_examples import EXAMPLES
from surefoot_shared.errors import KINDS

Json = dict[str, Any]
WRITES = frozenset({"post", "put", "patch", "delete"})
PROBLEMS = {
    401: ("not_signed_in", "The token is missing, unknown or no longer valid."),
    403: ("not_allowed", "The token's role or scope does not allow this."),
    404: ("not_found", "There is no such thing."),
    409: ("conflict", "The state of things does not allow this; the message says why."),
    422: ("malformed", "The request is malformed; the message names the place."),
    503: ("busy", "Come back after the seconds of Retry-After."),
}
PROBLEM: Json = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457, with `kind` (stable, for programs), `message` (for people) and `hint` (what to do).",
    "required": ["type", "title", "status", "detail", "kind", "message", "hint"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "kind": {"type": "string"},
        "message": {"type": "string"},
        "hint": {"type": "string"},
    },
}


def operation_id(route: APIRoute) -> str:
    """`devices_list_devices`: of the route's tag and function, so that it stays when an address is written anew."""
    return f"{route.tags[0] if route.tags else 'server'}_{route.name}"


def described(app: FastAPI) -> Json:
    """The whole document."""
    made: Json = get_openapi(title="Surefoot", version="1", routes=app.routes, summary="Updates for camera fleets.")
    parts = made.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which no answer of ours has
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": "An API token, sf_…"}}
    for path, item in made["paths"].items():
        for method, operation in item.items():
            _finish(path, method, operation)
    return made


def _finish(path: str, method: str, operation: Json) -> None:
    said = operation.get("description", "").partition("\n\n")[0].replace("\n", " ")
    if said:
        operation["summary"] = said.partition(". ")[0].rstrip(".")
    open_to_all = not path.startswith("/api/") or path == "/api/v1/hooks/{token}"
    operation["security"] = [] if open_to_all else [{"token": []}]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None and (example := EXAMPLES.get(operation["operationId"])) is not None:
        body["example"] = example
    answers = operation["responses"]
    answers.pop("422", None)
    for status in _statuses(path, method, operation, open_to_all):
        answers.setdefault(str(status), _problem(status))
    if method in WRITES and not open_to_all:
        operation.setdefault("parameters", []).append(_idempotency_key())


def _statuses(path: str, method: str, operation: Json, open_to_all: bool) -> list[int]:
    takes = bool(operation.get("parameters") or operation.get("requestBody"))
    wanted = {401: not open_to_all, 403: not open_to_all, 404: "{" in path, 409: method in WRITES, 422: takes}
    return [status for status, there in wanted.items() if there] + [503]


def _problem(status: int) -> Json:
    kind, message = PROBLEMS[status]
    example = document(status, kind, message, KINDS[kind].hint)
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": message, "content": {MEDIA_TYPE: {"schema": schema, "example": example}}}


def _idempotency_key() -> Json:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "Sent again within 24 hours, the request gets the first one's answer and happens once.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }
