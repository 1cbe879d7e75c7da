"""What may be shown of an address: the mailbox, or scheme and host; never the path, which may hold a token.

Promises: what could never be used is refused (Invalid), without asking for its host.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from surefoot_server.notify import forms
from surefoot_server.notify.models import Form
from surefoot_server.notify.posting import place_of
from surefoot_shared.errors import Conflict, Invalid

MAILTO = "mailto:"
MAILBOX = re.compile(r"mailto:[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")


def place(form: Form, url: str) -> str:
    match form:
        case Form.MAIL:
            if not MAILBOX.fullmatch(url):
                raise Invalid("malformed", "A mail's address is mailto:somebody@example.com.")
            return url.removeprefix(MAILTO)
        case Form.APPRISE:
            if not forms.has_apprise():
                raise Conflict("conflict", "apprise is not installed on this server.", forms.APPRISE_HINT)
            return f"{urlsplit(url).scheme}://…"
        case Form.CLOUDEVENTS | Form.SLACK:
            found = place_of(url)
            return f"{'https' if found.tls else 'http'}://{found.host}:{found.port}"


def form_of(url: str) -> Form:
    """What is sent where nobody says it."""
    return Form.MAIL if url.startswith(MAILTO) else Form.CLOUDEVENTS
