"""One delivery in the form its receiver takes: signed JSON, a chat's text, a mail, or whatever apprise speaks.

Promises: what is sent is made of the stored entry at each try, so a re-send says the same; an answer of 2xx is success
and nothing else is.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from surefoot_server.config import Settings
from surefoot_server.languages.catalogue import language
from surefoot_server.notify import cloudevent, mail, posting, signing, texts
from surefoot_server.notify.addresses import Network, networks
from surefoot_server.notify.mail import MailServer
from surefoot_server.notify.models import Form
from surefoot_shared.errors import ConfigError, Unreachable

APPRISE_HINT = "Install it beside the server: pip install 'surefoot[apprise]'."


@dataclass(frozen=True, slots=True)
class Outside:
    """What the settings say of the world outside; `trust` replaces the machine's authorities in tests."""

    source: str
    allowed: Sequence[Network]
    mail: MailServer
    trust: ssl.SSLContext | None = None


def outside_of(settings: Settings) -> Outside:
    mail = MailServer(settings.smtp_url, settings.smtp_password_file, settings.mail_from)
    return Outside(settings.console_url or settings.api_url, networks(settings.webhook_allow), mail)


@dataclass(frozen=True, slots=True)
class Receiver:
    """A webhook with its address and secret opened."""

    form: Form
    url: str
    secret: str
    language: str


def deliver(receiver: Receiver, entry: Mapping[str, Any], message_id: str, now: datetime, outside: Outside) -> int:
    """Send one entry; return the status of the answer, 0 where the form knows none. Raises SurefootError."""
    lines = texts.lines(entry, language(receiver.language))
    match receiver.form:
        case Form.CLOUDEVENTS:
            body = cloudevent.cloudevent(entry, outside.source, message_id)
            headers = signing.headers(receiver.secret, message_id, int(now.timestamp()), body)
            return _posted(receiver.url, body, {**headers, "Content-Type": cloudevent.MEDIA_TYPE}, outside)
        case Form.SLACK:
            body = json.dumps({"text": _plain_in_slack("\n".join(lines))}, ensure_ascii=False).encode()
            return _posted(receiver.url, body, {"Content-Type": "application/json"}, outside)
        case Form.MAIL:
            mail.send(outside.mail, receiver.url.removeprefix("mailto:"), message_id, lines, outside.trust)
            return 0
        case Form.APPRISE:
            _by_apprise(receiver.url, lines)
            return 0


def _posted(url: str, body: bytes, headers: Mapping[str, str], outside: Outside) -> int:
    return posting.post(url, body, headers, outside.allowed, outside.trust)


def _plain_in_slack(text: str) -> str:
    """Slack's three control characters; without them a reason could name @channel or hide a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def has_apprise() -> bool:
    try:
        import apprise  # noqa: F401 - an optional extra
    except ImportError:
        return False
    return True


def _by_apprise(url: str, lines: Sequence[str]) -> None:
    try:
        import apprise
    except ImportError as error:
        raise ConfigError("config_invalid", "apprise is not installed.", APPRISE_HINT) from error
    sender = apprise.Apprise()
    if not sender.add(url):
        raise ConfigError("config_invalid", "apprise does not know this kind of address.")
    if not sender.notify(title=lines[0], body="\n".join(lines)):
        raise Unreachable("unreachable", "apprise could not deliver it.")
