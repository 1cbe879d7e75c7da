"""A large fleet has room for its files, or is refused before it is played."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from surefoot_shared.errors import ConfigError
from surefoot_simulators.world.open_files import A_DEVICE, OTHERS, make_room


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_fleet_that_needs_more_than_usual_gets_it() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))

    make_room(300)

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300 * A_DEVICE + OTHERS, hard)


def test_a_small_fleet_leaves_the_limit_as_it_is() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    make_room(1)

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_one_for_which_there_is_no_room_is_refused_with_how_much_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (1024, 4096))

    with pytest.raises(ConfigError, match="2000 devices need 6200 open files, and this process may have 4096"):
        make_room(2000)
