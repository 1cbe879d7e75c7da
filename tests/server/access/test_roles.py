"""Each role includes the ones before it."""

from __future__ import annotations

import itertools

from surefoot_server.access.roles import Role


def test_a_role_includes_itself_and_the_lower_ones_only() -> None:
    order = [Role.VIEWER, Role.OPERATOR, Role.RELEASER, Role.ADMIN]

    for (i, has), (j, needed) in itertools.product(enumerate(order), enumerate(order)):
        assert has.includes(needed) is (i >= j)
