"""What may be shown of an address holds no token, and what could never be used is refused."""

from __future__ import annotations

import pytest

from surefoot_server.notify.models import Form
from surefoot_server.notify.placing import form_of, place
from surefoot_shared.errors import Invalid


@pytest.mark.parametrize(
    ("form", "url", "shown"),
    [
        (Form.SLACK, "https://hooks.slack.com/services/T/B/hush", "https://hooks.slack.com:443"),
        (Form.CLOUDEVENTS, "http://ops.example.com:8080/?key=hush", "http://ops.example.com:8080"),
        (Form.MAIL, "mailto:oncall@example.com", "oncall@example.com"),
        (Form.APPRISE, "tgram://hush/chat", "tgram://…"),
    ],
)
def test_host_or_mailbox_are_shown_and_nothing_else(form: Form, url: str, shown: str) -> None:
    assert place(form, url) == shown


@pytest.mark.parametrize(
    ("form", "url"),
    [(Form.MAIL, "https://x/"), (Form.MAIL, "mailto:a b@c"), (Form.SLACK, "mailto:a@b.c"), (Form.CLOUDEVENTS, "")],
)
def test_what_could_never_be_used_is_refused(form: Form, url: str) -> None:
    with pytest.raises(Invalid):
        place(form, url)


def test_where_nobody_says_the_form_the_address_does() -> None:
    assert (form_of("mailto:a@b.c"), form_of("https://x/"), form_of("")) == (
        Form.MAIL,
        Form.CLOUDEVENTS,
        Form.CLOUDEVENTS,
    )
