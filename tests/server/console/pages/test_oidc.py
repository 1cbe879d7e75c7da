"""Without an identity provider there is no way to one; the whole walk is in tests/server/access/test_oidc.py."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from surefoot_server.access.oidc import BACK
from surefoot_server.console.pages.oidc import COOKIE, PATH
from tests.server.rig import Rig, serving


@pytest.mark.parametrize("path", [PATH, f"{BACK}?code=x&state=y"])
def test_a_way_that_is_not_set_up_says_so_and_signs_nobody_in(rig: Rig, path: str) -> None:
    browser = TestClient(serving(rig.state), base_url="https://testserver", follow_redirects=False)

    answer = browser.get(path)

    assert answer.status_code == 404
    assert "No identity provider is set up here." in answer.text
    assert COOKIE not in browser.cookies
