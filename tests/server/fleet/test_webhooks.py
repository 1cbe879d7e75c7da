"""Webhooks in the fleet's document: twice is once, and neither an address nor a secret is ever shown again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlmodel import select

from surefoot_server.audit import service as audit
from surefoot_server.fleet import service
from surefoot_server.fleet.webhooks import Webhooks
from surefoot_server.notify import service as notify
from surefoot_server.notify.models import Delivery, Form, Webhook
from surefoot_server.notify.service import Order
from surefoot_shared.errors import Invalid, NotAllowed
from tests.server.rig import NOW, Rig

URL = "https://93.184.216.34/hook?key=hush"
OPS = f"version: 1\nwebhooks:\n  ops: {{url: '{URL}', kinds: [rollout, alarm]}}\n"
SHOWN = {
    "to": "https://93.184.216.34:443",
    "form": "cloudevents",
    "kinds": "alarm, rollout",
    "rollout": "",
    "device": "",
    "language": "en",
}
Apply = Callable[..., service.Plan]


@pytest.fixture
def apply(rig: Rig) -> Apply:
    def do(text: str, prune: int | None = None, *, admin: bool = True) -> service.Plan:
        with rig.db.write() as session:
            return service.apply(session, text, prune, None, Webhooks(rig.state.notify, admin), "ann", NOW)

    return do


def row(rig: Rig, name: str = "ops") -> Webhook:
    with rig.db.read() as session:
        return notify.find(session, name)


def secret_of(rig: Rig) -> str:
    return rig.state.notify.receiver(row(rig)).secret


def test_one_is_made_with_a_secret_that_is_given_once_and_a_second_time_nothing_is_left_to_do(
    rig: Rig, apply: Apply
) -> None:
    made = apply(OPS)

    assert [(c.act, c.name, c.after) for c in made.changes] == [("add", "ops", SHOWN)]
    assert made.secrets == {"ops": secret_of(rig)}
    assert rig.state.notify.receiver(row(rig)).url == URL
    again = apply(OPS)
    assert (again.changes, again.secrets) == ([], {})


def test_what_is_exported_holds_no_address_that_may_be_a_secret_and_changes_nothing(rig: Rig, apply: Apply) -> None:
    apply(OPS)
    rig.state.notify.create(Order("oncall", "mailto:oncall@example.com", Form.MAIL, language="vi"), "ann", NOW)
    with rig.db.read() as session:
        text = service.export(service.state(session))

    assert "hush" not in text
    assert secret_of(rig) not in text
    assert "url: mailto:oncall@example.com" in text
    assert "kinds: [alarm, rollout]" in text
    assert apply(text, prune=0).changes == []
    assert rig.state.notify.receiver(row(rig)).url == URL


def test_a_plan_and_the_trail_show_what_may_be_shown(rig: Rig, apply: Apply) -> None:
    apply(OPS)

    (change,) = apply(OPS.replace("hush", "shout")).changes

    assert (change.act, change.before) == ("change", SHOWN)
    assert change.after == {**SHOWN, "to": "https://93.184.216.34:443 (another address)"}
    assert rig.state.notify.receiver(row(rig)).url == URL.replace("hush", "shout")
    with rig.db.read() as session:
        trail = [entry for entry in audit.entries(session) if entry.object == f"webhook:{row(rig).id}"]
    assert [entry.action for entry in trail] == ["webhook.change", "webhook.create"]
    assert not any(word in str([entry.detail for entry in trail]) for word in ("hush", "shout", secret_of(rig)))


def test_a_change_keeps_the_secret_and_what_waits(rig: Rig, apply: Apply) -> None:
    apply(OPS)
    secret = secret_of(rig)
    rig.state.notify.test("ops", "ann", NOW)

    changed = apply("version: 1\nwebhooks: {ops: {kinds: [flag], device: cam-1}}")

    assert changed.secrets == {}
    assert secret_of(rig) == secret
    assert (row(rig).kinds, row(rig).device_id) == (["flag"], "cam-1")
    with rig.db.read() as session:
        assert len(session.exec(select(Delivery)).all()) == 1


def test_one_that_begins_to_sign_gets_a_secret_and_one_that_ends_loses_it(rig: Rig, apply: Apply) -> None:
    slack = OPS.replace("kinds", "form: slack, kinds")
    assert apply(slack).secrets == {}
    assert secret_of(rig) == ""

    assert apply(OPS).secrets == {"ops": secret_of(rig)}

    apply(slack)
    assert secret_of(rig) == ""


def test_what_the_document_lacks_goes_only_if_it_was_counted(rig: Rig, apply: Apply) -> None:
    apply(OPS)

    assert list(apply("{version: 1, webhooks: {}}").left) == [("webhook", "ops")]
    assert apply("version: 1\ncohorts: {}", prune=0).changes == []
    apply("{version: 1, webhooks: {}}", prune=1)

    with rig.db.read() as session:
        assert notify.webhooks(session) == []


@pytest.mark.parametrize("text", [OPS, "{version: 1, webhooks: {}}"])
def test_only_administrators_change_them_and_others_may_apply_what_changes_none(
    rig: Rig, apply: Apply, text: str
) -> None:
    apply(OPS.replace("alarm", "flag"))

    with pytest.raises(NotAllowed, match="administrators"):
        apply(text, prune=1 if "{}" in text else None, admin=False)

    assert row(rig).kinds == ["flag", "rollout"] or row(rig).kinds == ["rollout", "flag"]
    assert apply("version: 1\nwebhooks: {ops: {kinds: [flag, rollout]}}\ncohorts: {a: all}", admin=False).changes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ops: {form: slack}", "line 2: webhooks.ops: the server has no webhook of this name"),
        ("ops: {url: 'ftp://x'}", "line 2: webhooks.ops.url: The address must be http"),
        ("ops: {url: 'mailto:nobody'}", "line 2: webhooks.ops.url: A mail's address is"),
        ("ops: {url: 'https://u:hush@x/'}", "line 2: webhooks.ops.url: The address must be"),
        ("ops: {url: 'https://x/', kinds: [rain]}", "line 2: webhooks.ops.kinds[0]: 'rain' is not one of"),
        ("ops: {url: 'https://x/', language: xx}", "line 2: webhooks.ops.language: there is no language 'xx'"),
        ("ops: {url: 'https://x/', secret: hush}", "line 2: webhooks.ops.secret: this key is not known"),
        ("-ops: {url: 'https://x/'}", "line 2: webhooks.-ops: '-ops' is not a name"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_field_and_without_the_address(apply: Apply, text: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        apply(f"version: 1\nwebhooks: {{{text}}}")

    assert said in refused.value.message
    assert "hush" not in refused.value.message
