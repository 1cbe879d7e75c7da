"""Tokens open what their role allows, until they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.access import service, users
from surefoot_server.access.roles import FLEET, Grant, Role, Scope
from surefoot_shared.errors import Conflict, NotAllowed, NotFound
from tests.server.rig import NOW, Rig, later


def create(rig: Rig, name: str = "ci", role: Role = Role.OPERATOR, valid_s: float | None = None) -> tuple[str, str]:
    with rig.db.write() as session:
        row, text = service.create_token(session, name, role, "test", NOW, valid_s)
        return row.id, text


def test_a_token_names_its_holder_and_role(rig: Rig) -> None:
    token_id, text = create(rig)

    with rig.db.read() as session:
        who = service.principal_of(session, text, NOW)

    assert (who.name, who.role, who.token_id) == ("ci", Role.OPERATOR, token_id)
    assert text.startswith("sf_")


@pytest.mark.parametrize("spoil", ["", "sf_", "sf__", "Bearer", "x{0}", "{0}x", "sf_000000000000_{1}", "sfe_{1}"])
def test_every_wrong_token_is_refused_with_the_same_words(rig: Rig, spoil: str) -> None:
    _, text = create(rig)

    with rig.db.read() as session, pytest.raises(NotAllowed) as refused:
        service.principal_of(session, spoil.format(text, text.rpartition("_")[2]), NOW)

    assert (refused.value.kind, refused.value.message) == (
        "not_signed_in",
        "The token is missing, unknown or no longer valid.",
    )


def test_a_token_ends_when_it_was_said_to(rig: Rig) -> None:
    _, text = create(rig, valid_s=60)

    with rig.db.read() as session:
        assert service.principal_of(session, text, later(59)).name == "ci"
        with pytest.raises(NotAllowed):
            service.principal_of(session, text, later(60))


def test_a_revoked_token_opens_nothing(rig: Rig) -> None:
    token_id, text = create(rig)

    with rig.db.write() as session:
        service.revoke_token(session, token_id, "admin", later(1))

    with rig.db.read() as session, pytest.raises(NotAllowed):
        service.principal_of(session, text, later(2))


def test_a_token_of_a_scope_holds_there_and_not_over_the_fleet(rig: Rig) -> None:
    with rig.db.write() as session:
        _, text = service.create_token(session, "ci", Role.OPERATOR, "test", NOW, scopes=[Scope.parse("cohort:lab")])

    with rig.db.read() as session:
        who = service.principal_of(session, text, NOW)

    assert who.over_fleet() is None
    assert [str(g.scope) for g in who.held()] == ["cohort:lab"]


def test_a_token_can_do_no_more_than_its_owner_may_now(rig: Rig) -> None:
    with rig.db.write() as session:
        for name in ("root", "bob"):
            users.create(session, name, None, [Grant(FLEET, Role.ADMIN)], "test", NOW)
        person = f"user:{users.get(session, 'bob').id}"
        _, text = service.create_token(session, "ci", Role.RELEASER, "bob", NOW, person=person)

    with rig.db.write() as session:
        users.grant(session, "bob", Grant(FLEET, Role.VIEWER), "root", later(1))
    with rig.db.read() as session:
        assert service.principal_of(session, text, later(2)).role is Role.VIEWER
    with rig.db.write() as session:
        users.disable(session, "bob", "root", later(3))

    with rig.db.read() as session, pytest.raises(NotAllowed):
        service.principal_of(session, text, later(4))


def test_a_token_is_not_called_as_a_user_is(rig: Rig) -> None:
    with rig.db.write() as session:
        users.create(session, "bob", None, [], "test", NOW)

    with pytest.raises(Conflict):
        create(rig, "bob")


def test_two_tokens_of_one_name_would_confuse_the_audit_trail(rig: Rig) -> None:
    create(rig)

    with pytest.raises(Conflict):
        create(rig)


def test_an_unknown_token_cannot_be_revoked(rig: Rig) -> None:
    with rig.db.write() as session, pytest.raises(NotFound):
        service.revoke_token(session, "nobody", "admin", NOW)


def test_the_first_token_is_an_administrators_and_only_its_owner_reads_it(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "operator.token"

    with rig.db.write() as session:
        service.ensure_first_token(session, path, NOW)
        service.ensure_first_token(session, path, NOW)

    assert path.stat().st_mode & 0o777 == 0o600
    with rig.db.read() as session:
        assert service.principal_of(session, path.read_text().strip(), NOW).role is Role.ADMIN
        assert len(service.tokens(session)) == 1


def test_removing_the_token_file_makes_a_new_secret_and_ends_the_old_one(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "operator.token"
    with rig.db.write() as session:
        service.ensure_first_token(session, path, NOW)
    old = path.read_text().strip()
    path.unlink()

    with rig.db.write() as session:
        service.ensure_first_token(session, path, later(1))

    with rig.db.read() as session:
        assert service.principal_of(session, path.read_text().strip(), later(2)).name == "operator"
        with pytest.raises(NotAllowed):
            service.principal_of(session, old, later(2))
