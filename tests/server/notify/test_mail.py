"""A mail goes over TLS to a real mail server, or not at all."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from surefoot_server.notify import mail
from surefoot_server.notify.mail import MailServer, send
from surefoot_server.pki.ca import create_ca, prepare_pki
from surefoot_server.pki.files import PkiFiles
from surefoot_shared.errors import ConfigError, Unreachable

LINES = ["Rollout r1 is halted", "Lý do: 3 of 40 failed"]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> PkiFiles:
    folder = tmp_path_factory.mktemp("mail")
    return prepare_pki(folder / "pki", create_ca(folder / "ca"), ["localhost"])


@pytest.fixture
def trust(pki: PkiFiles) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(pki.ca))


class Mailbox:
    """What the mail server took."""

    def __init__(self) -> None:
        self.taken: list[tuple[Envelope, bool]] = []

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        self.taken.append((envelope, session.ssl is not None))
        return "250 OK"


def _who(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: object) -> AuthResult:
    right = isinstance(given, LoginPassword) and (given.login, given.password) == (b"surefoot", b"word")
    return AuthResult(success=right, handled=False)


class _OnAFreePort(Controller):
    """The library's own, which would look for itself on port 0."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()


@contextmanager
def mail_server(pki: PkiFiles, **more: object) -> Iterator[tuple[Mailbox, int]]:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(pki.server_cert, pki.server_key)
    box = Mailbox()
    options: dict[str, object] = {"tls_context": served, "require_starttls": True, **more}
    controller = _OnAFreePort(box, hostname="127.0.0.1", port=0, **options)  # type: ignore[arg-type]
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()


def test_a_mail_is_taken_over_starttls_with_its_subject_and_text(pki: PkiFiles, trust: ssl.SSLContext) -> None:
    with mail_server(pki) as (box, port):
        server = MailServer(f"smtp://localhost:{port}", "", "surefoot@example.com")
        send(server, "oncall@example.com", "msg_1", LINES, trust)

    ((envelope, encrypted),) = box.taken
    told = message_from_bytes(envelope.content, policy=policy.default)  # type: ignore[arg-type]
    assert encrypted
    assert envelope.rcpt_tos == ["oncall@example.com"]
    assert (told["Subject"], told["Message-ID"]) == ("[Surefoot] Rollout r1 is halted", "<msg_1@example.com>")
    assert told.get_content().splitlines() == LINES  # type: ignore[attr-defined]


def test_a_user_signs_in_with_the_password_of_the_file(pki: PkiFiles, trust: ssl.SSLContext, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("word\n")
    (tmp_path / "wrong").write_text("other\n")
    with mail_server(pki, authenticator=_who, auth_required=True) as (box, port):
        url = f"smtp://surefoot@localhost:{port}"
        send(MailServer(url, str(tmp_path / "password"), "a@b.example"), "x@y.example", "m", LINES, trust)
        with pytest.raises(Unreachable, match="535"):
            send(MailServer(url, str(tmp_path / "wrong"), "a@b.example"), "x@y.example", "m", LINES, trust)
        with pytest.raises(ConfigError, match="cannot be read"):
            send(MailServer(url, str(tmp_path / "none"), "a@b.example"), "x@y.example", "m", LINES, trust)

    assert len(box.taken) == 1


def test_a_server_whose_certificate_nobody_knows_gets_nothing(pki: PkiFiles) -> None:
    with mail_server(pki) as (box, port), pytest.raises(Unreachable):
        send(MailServer(f"smtp://localhost:{port}", "", "a@b.example"), "x@y.example", "m", LINES)

    assert box.taken == []


def test_a_server_without_tls_gets_nothing_unless_it_is_this_machine(
    pki: PkiFiles, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(pki, tls_context=None, require_starttls=False) as (box, port):
        server = MailServer(f"smtp://localhost:{port}", "", "a@b.example")
        send(server, "x@y.example", "m", LINES, trust)
        monkeypatch.setattr(mail, "LOOPBACK", frozenset())
        with pytest.raises(Unreachable):
            send(server, "x@y.example", "m", LINES, trust)

    assert [encrypted for _, encrypted in box.taken] == [False]


def test_nothing_in_a_line_becomes_a_header(pki: PkiFiles, trust: ssl.SSLContext) -> None:
    with mail_server(pki) as (box, port):
        server = MailServer(f"smtp://localhost:{port}", "", "surefoot@example.com")
        send(server, "oncall@example.com", "m", ["halted\r\nBcc: all@example.com", "x"], trust)

    told = message_from_bytes(box.taken[0][0].content, policy=policy.default)  # type: ignore[arg-type]
    assert told["Bcc"] is None
    assert told["Subject"] == "[Surefoot] halted Bcc: all@example.com"


def test_without_a_mail_server_the_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="no mail server"):
        send(MailServer("", "", ""), "x@y.example", "m", LINES)


@pytest.mark.parametrize("url", ["http://mail.example.com", "smtp://", "mail.example.com"])
def test_what_is_no_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        MailServer(url, "", "a@b.example")
