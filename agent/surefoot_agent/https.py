"""One question to the server's devices' listener over HTTPS: asked once, answered with bytes of a bounded size.

Promises: the server is checked against the fleet's CA and nothing else; no proxy of the environment, no redirect; a
refusal is in the server's own words. Raises ConfigError where a person must act, Unreachable where time helps.
"""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from surefoot_agent import tls
from surefoot_shared.errors import ConfigError, Unreachable

TIMEOUT_S = 30.0
ANSWER_LIMIT_BYTES = 64 * 1024


class _Nowhere(urllib.request.HTTPRedirectHandler):
    """A token would follow a redirect to whoever it names."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def ask(
    server_url: str,
    ca_file: Path,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    limit_bytes: int = ANSWER_LIMIT_BYTES,
) -> tuple[int, bytes]:
    """POST the body, or GET where there is none; return (status, at most `limit_bytes` + 1 bytes)."""
    sent = {"Content-Type": "application/json", **(headers or {})} if body is not None else dict(headers or {})
    request = urllib.request.Request(server_url.rstrip("/") + path, data=body, headers=sent)  # noqa: S310 - see enrol
    # Neither the proxy of the environment nor the system's authorities have a say in whom this node trusts.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=tls.context(ca_file)),
        _Nowhere(),
    )
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return answer.status, answer.read(limit_bytes + 1)
    except urllib.error.HTTPError as error:
        raise refusal(error.code, error.headers.get("Retry-After", ""), _answer(error)) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, ssl.SSLCertVerificationError):
            hint = "Use the bootstrap folder of this server's fleet, and the host name its certificate has."
            raise ConfigError("config_invalid", f"The server at {server_url} is not the fleet's.", hint) from error
        raise Unreachable("unreachable", f"The server at {server_url} cannot be reached: {reason}.") from error


def refusal(status: int, retry_after: str, raw: bytes) -> ConfigError | Unreachable:
    """The server's own words, where it has some."""
    try:
        problem = json.loads(raw)
        kind, message, hint = (str(problem.get(k, "")) for k in ("kind", "message", "hint"))
    except (ValueError, AttributeError, RecursionError):
        kind, message, hint = "", "", ""
    message = message or f"The server answered {status}."
    if status in (429, 500, 502, 503, 504):
        return Unreachable("busy", message, retry_after_s=float(retry_after) if retry_after.isdigit() else None)
    return ConfigError(kind or "enrolment_refused", message, hint)


def _answer(error: urllib.error.HTTPError) -> bytes:
    try:
        return error.read(ANSWER_LIMIT_BYTES)
    except OSError:
        return b""
