"""One question over HTTPS: to the fleet's server and to nobody else, within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent import https
from surefoot_shared.errors import ConfigError, Unreachable
from tests.agent.download import sources
from tests.agent.download.certificates import Pki, make_pki
from tests.agent.download.sources import Trick, serving


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return make_pki(tmp_path)


def asked(pki: Pki, ca: Path | None = None, trick: Trick | None = None, limit: int = 1000) -> tuple[int, bytes]:
    with serving({"x": b"hello"}, trick, (pki.certificate, pki.key)) as blobs:
        server = blobs.url.removesuffix("/blobs/")
        return https.ask(server, ca or pki.ca, "/blobs/x", headers={"Authorization": "Bearer t"}, limit_bytes=limit)


def test_the_fleets_server_is_asked(pki: Pki) -> None:
    assert asked(pki) == (200, b"hello")


def test_no_more_is_read_than_one_byte_above_the_limit(pki: Pki) -> None:
    assert asked(pki, limit=2) == (200, b"hel")


def test_another_authoritys_server_is_refused(pki: Pki, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not the fleet's"):
        asked(pki, make_pki(tmp_path, "other").ca)


@pytest.mark.parametrize(
    ("code", "family"), [(403, ConfigError), (404, ConfigError), (429, Unreachable), (503, Unreachable)]
)
def test_a_refusal_says_whether_time_helps(pki: Pki, code: int, family: type[Exception]) -> None:
    with pytest.raises(family):
        asked(pki, trick=sources.status(code))


def test_a_redirect_is_not_followed(pki: Pki) -> None:
    """The token would go along."""
    with pytest.raises(ConfigError):
        asked(pki, trick=sources.status(302, Location="https://127.0.0.1:1/"))


def test_a_server_that_is_away_is_unreachable(pki: Pki) -> None:
    with pytest.raises(Unreachable):
        https.ask("https://127.0.0.1:1", pki.ca, "/")
