"""The operator API over HTTP: every refusal becomes the error family that the server meant. The only import of httpx.

Promises: no retry and no guess; a server that cannot be reached is Unreachable with its address. The token is sent to
the given server only, never along a redirect or through a proxy from the environment, and never shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import cast

import httpx

from surefoot_shared.errors import (
    KINDS,
    ConfigError,
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    SurefootError,
    Unreachable,
    UntrustedRelease,
)
from surefoot_shared.wire import Json

TIMEOUT_S = 30.0
"""A verdict over a large fleet takes the server a second or two; half a minute without an answer is none."""
CHUNK_BYTES = 1024 * 1024
FAMILIES: Mapping[int, type[SurefootError]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    405: NotFound,
    409: Conflict,
    413: Invalid,
    422: Invalid,
    429: Unreachable,
    503: Unreachable,
}

Part = str | int | Sequence[str]
"""A value of a query; a sequence is sent as the same name several times."""


class Api:
    """One server, one token. Paths begin with a slash, after /api/v1."""

    def __init__(self, server: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        self.server = server.rstrip("/")
        try:
            self._http = httpx.Client(
                base_url=f"{self.server}/api/v1",
                headers={"Authorization": f"Bearer {token}"},
                timeout=TIMEOUT_S,
                trust_env=False,
                # Reading the machine's authorities takes 30 ms, a third of most commands; without TLS nobody asks them.
                verify=not self.server.startswith("http://"),
                transport=transport,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise ConfigError("config_invalid", f"{server!r} is not the URL of a server.") from error

    def __enter__(self) -> Api:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: Part | None) -> Json:
        """What is there; a list whole, page by page, unless `limit` asks for one page."""
        given: dict[str, Part] = {name: v for name, v in query.items() if v is not None and v != ""}
        found, cursor = self._page(path, given)
        while cursor and "limit" not in query and isinstance(found, list):
            more, cursor = self._page(path, {**given, "cursor": cursor})
            found += more if isinstance(more, list) else []
        return found

    def _page(self, path: str, given: Mapping[str, Part]) -> tuple[Json, str]:
        answer = self._send("GET", path, params=dict(given))
        return cast(Json, answer.json()), answer.headers.get("next-cursor", "")

    def text(self, path: str, **query: str | int | None) -> Iterator[str]:
        """An answer that is no JSON document, in pieces as they arrive: it may be larger than memory."""
        given = {name: value for name, value in query.items() if value not in (None, "")}
        try:
            with self._http.stream("GET", path, params=given) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refusal(answer)
                yield from answer.iter_text()
        except httpx.TransportError as error:
            raise _unreachable(self.server, error) from error

    def post(self, path: str, body: Mapping[str, Json] | None = None) -> Json:
        return self._ask("POST", path, json=dict(body or {}))

    def put(self, path: str, body: Mapping[str, Json]) -> Json:
        return self._ask("PUT", path, json=dict(body))

    def delete(self, path: str) -> Json:
        return self._ask("DELETE", path)

    def get_raw(self, path: str) -> bytes:
        """Ask for a document as it is."""
        return self._send("GET", path).content

    def post_file(self, path: str, raw: bytes) -> Json:
        """Send a small file as the body."""
        return self._ask("POST", path, content=raw, headers={"Content-Type": "application/octet-stream"})

    def post_files(self, path: str, files: Mapping[str, bytes]) -> Json:
        """Send a multipart form with one file for each name."""
        return self._ask("POST", path, files={name: (name, raw) for name, raw in files.items()})

    def put_file(self, path: str, file: Path) -> Json:
        """Send a file as the body, in pieces: it may be larger than memory."""
        headers = {"Content-Length": str(file.stat().st_size), "Content-Type": "application/octet-stream"}
        return self._ask("PUT", path, content=_pieces(file), headers=headers)

    def _ask(self, method: str, path: str, **request: object) -> Json:
        return cast(Json, self._send(method, path, **request).json())  # what a JSON parser returns

    def _send(self, method: str, path: str, **request: object) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **request)  # type: ignore[arg-type]  # one of httpx's own forms
        except httpx.TransportError as error:
            raise _unreachable(self.server, error) from error
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ConfigError("config_invalid", f"{self.server!r} is not the URL of a server.") from error
        if answer.is_success:
            return answer
        raise _refusal(answer)


def _unreachable(server: str, error: httpx.TransportError) -> Unreachable:
    hint = "Is `surefoot up` running there? --server or SUREFOOT_SERVER says where to look."
    message = f"{server} cannot be reached: {(str(error) or type(error).__name__).rstrip('.')}."
    return Unreachable("unreachable", message, hint)


def _refusal(answer: httpx.Response) -> SurefootError:
    try:
        problem = answer.json()
        kind, message, hint = str(problem["kind"]), str(problem["message"]), str(problem.get("hint", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        message = f"The server answered {answer.status_code} without a problem document."
        return SurefootError("internal", message, "Is there a proxy in between? --server must lead to Surefoot itself.")
    family = FAMILIES.get(answer.status_code, SurefootError)
    if family is Conflict and kind in KINDS and KINDS[kind].who == "publisher":
        family = UntrustedRelease
    return family(kind, message, hint)


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(CHUNK_BYTES):
            yield piece
