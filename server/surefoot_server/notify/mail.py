"""News by e-mail: one message, over TLS, to one mailbox.

Promises: a server is spoken to over TLS from the first byte (`smtps://`) or after STARTTLS (`smtp://`), with its
certificate checked; without TLS nothing is sent, unless the server is this machine itself. The password is read from
its file at each message and is never in a message, a log or an error.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote, urlsplit

from surefoot_shared.errors import ConfigError, Unreachable

TIMEOUT_S = 15.0
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class MailServer:
    """`smtp_url`, `smtp_password_file` and `mail_from` of the settings."""

    url: str
    password_file: str
    sender: str

    def __post_init__(self) -> None:
        if self.url and (urlsplit(self.url).scheme not in ("smtp", "smtps") or not urlsplit(self.url).hostname):
            raise ConfigError("config_invalid", "smtp_url must be smtp://[user@]host[:port] or smtps://…")


def send(
    server: MailServer, mailbox: str, message_id: str, lines: Sequence[str], trust: ssl.SSLContext | None = None
) -> None:
    """Send one message, the first line as its subject. Raises ConfigError, or Unreachable(unreachable)."""
    if not server.url or not server.sender:
        hint = "Set smtp_url and mail_from in the server's settings."
        raise ConfigError("config_invalid", "This server has no mail server to send by.", hint)
    message = _message(server.sender, mailbox, message_id, lines)
    try:
        with _connected(server.url, trust or ssl.create_default_context()) as smtp:
            user = urlsplit(server.url).username
            if user:
                smtp.login(unquote(user), _password(server.password_file))
            smtp.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise Unreachable("unreachable", f"The mail server answered {error.smtp_code}.") from error
    except (OSError, smtplib.SMTPException) as error:
        raise Unreachable("unreachable", f"The mail server did not take it: {type(error).__name__}.") from error


def _connected(url: str, trust: ssl.SSLContext) -> smtplib.SMTP:
    parts = urlsplit(url)
    host = str(parts.hostname)
    if parts.scheme == "smtps":
        return smtplib.SMTP_SSL(host, parts.port or 465, timeout=TIMEOUT_S, context=trust)
    smtp = smtplib.SMTP(host, parts.port or 587, timeout=TIMEOUT_S)
    try:
        smtp.ehlo()
        if smtp.has_extn("starttls") or host not in LOOPBACK:
            smtp.starttls(context=trust)
    except BaseException:
        smtp.close()
        raise
    return smtp


def _message(sender: str, mailbox: str, message_id: str, lines: Sequence[str]) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = sender, mailbox
    message["Subject"] = " ".join(f"[Surefoot] {lines[0]}".split())[:200]
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2].rstrip('>')}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message.set_content("\n".join(lines) + "\n")
    return message


def _password(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config_unreadable", f"smtp_password_file {file!r} cannot be read.") from error
