"""Routes find the server's parts, and nothing is found where nothing was put."""

from __future__ import annotations

import dataclasses

import pytest
from fastapi import FastAPI
from starlette.requests import Request

from surefoot_server.state import state_of
from tests.server.rig import Rig


def request_of(app: FastAPI) -> Request:
    return Request({"type": "http", "app": app, "headers": []})


def test_the_state_is_the_one_the_application_was_made_with(rig: Rig) -> None:
    app = FastAPI()
    app.state.surefoot = rig.state

    assert state_of(request_of(app)) is rig.state


def test_an_application_without_state_is_a_bug_at_once() -> None:
    with pytest.raises(AttributeError):
        state_of(request_of(FastAPI()))


def test_the_state_cannot_be_changed(rig: Rig) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        rig.state.settings = rig.state.settings  # type: ignore[misc]


def test_a_state_without_listeners_has_no_problems_and_no_figures(rig: Rig) -> None:
    assert (list(rig.state.problems()), dict(rig.state.counters())) == ([], {})
