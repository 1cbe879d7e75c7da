"""Signing in by an identity provider: OpenID Connect's authorisation code with PKCE, by Authlib, and joserfc.

Promises: state, nonce and code verifier come from one secret that only the browser that began holds, so an answer to
somebody else's question is refused and nothing is stored; the ID token's signature, issuer, audience, nonce and time
are checked; whose groups map to no role is nobody here. Refuses to join an account with a local user of the same name.
Sources: OpenID Connect Core 1.0 §3.1, RFC 7636, RFC 9700 §2.1.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from sqlmodel import Session, select

from surefoot_server.access import users
from surefoot_server.access.models import User
from surefoot_server.access.roles import Grant, Role, Scope, highest
from surefoot_server.config import Settings
from surefoot_shared.errors import ConfigError, Invalid, NotAllowed, NotFound, Unreachable

log = logging.getLogger(__name__)
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
"""Signatures only: `none` and shared secrets prove nothing of the provider."""
DISCOVERY_KEPT_S = 3600.0
TIMEOUT_S = 10.0
LEEWAY_S = 60
ACTOR = "identity-provider"
BACK = "/sign-in/oidc/back"
WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Provider:
    """What an operator configured; `roles` is group → what it is given."""

    issuer: str
    client_id: str
    secret_file: str
    redirect_uri: str
    scope: str
    groups_claim: str
    name_claim: str
    roles: Mapping[str, tuple[Grant, ...]]


@dataclass(frozen=True, slots=True)
class Identity:
    """What the provider said and proved."""

    subject: str
    name: str
    groups: tuple[str, ...]


def parse_roles(text: str) -> dict[str, tuple[Grant, ...]]:
    """Read `leads=admin, hanoi=operator@cohort:hanoi`; raises ConfigError."""
    found: dict[str, list[Grant]] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        group, equals, what = part.rpartition("=")
        role, _, scope = what.partition("@")
        try:
            given = Grant(Scope.parse(scope or "fleet"), Role(role))
        except (ValueError, Invalid) as error:
            hint = "Write GROUP=ROLE or GROUP=ROLE@SCOPE, such as hanoi=operator@cohort:hanoi."
            raise ConfigError("config_invalid", f"oidc_roles: {part!r} is not understood.", hint) from error
        if not equals or not group.strip():
            raise ConfigError("config_invalid", f"oidc_roles: {part!r} names no group.")
        found.setdefault(group.strip(), []).append(given)
    return {group: tuple(given) for group, given in found.items()}


def granted(groups: Sequence[str], roles: Mapping[str, tuple[Grant, ...]]) -> list[Grant]:
    """The highest role in each scope that the groups give. Pure."""
    best: dict[Scope, Role] = {}
    for given in (g for group in groups for g in roles.get(group, ())):
        best[given.scope] = highest((given.role, best.get(given.scope, given.role))) or given.role
    return sorted(Grant(scope, role) for scope, role in best.items())


def oidc_of(settings: Settings) -> Oidc | None:
    """The provider that is configured; raises ConfigError where that is half done."""
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id or not settings.oidc_roles:
        raise ConfigError("config_invalid", "oidc_issuer needs oidc_client_id and oidc_roles.")
    return Oidc(
        Provider(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            secret_file=settings.oidc_client_secret_file,
            redirect_uri=f"{(settings.console_url or settings.api_url).rstrip('/')}{BACK}",
            scope=settings.oidc_scope,
            groups_claim=settings.oidc_groups_claim,
            name_claim=settings.oidc_name_claim,
            roles=parse_roles(settings.oidc_roles),
        )
    )


class Oidc:
    """One provider; thread-safe."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._lock = threading.Lock()
        self._found: tuple[float, dict[str, Any], dict[str, Any]] | None = None

    def begin(self) -> tuple[str, str]:
        """Where to send the browser, and the secret that it is to keep meanwhile."""
        secret = secrets.token_urlsafe(32)
        with self._client() as client:
            url, _ = client.create_authorization_url(
                self._discovered(client)["authorization_endpoint"],
                state=_derived(secret, "state"),
                nonce=_derived(secret, "nonce"),
                code_verifier=_derived(secret, "verifier"),
            )
        return str(url), secret

    def finish(self, secret: str, state: str, code: str) -> Identity:
        """Turn the answer that the browser brought into an identity; raises NotAllowed or Unreachable."""
        if not secret or not secrets.compare_digest(state, _derived(secret, "state")):
            raise _refused("this answer belongs to no sign-in that this browser began")
        with self._client() as client:
            metadata = self._discovered(client)
            try:
                answer = client.fetch_token(
                    metadata["token_endpoint"], code=code, code_verifier=_derived(secret, "verifier")
                )
            except Exception as error:  # Authlib's, httpx's and the provider's own: none of them is ours to name
                log.warning("oidc_code_refused error=%s", type(error).__name__)
                raise _refused("the provider did not honour its code") from error
            return self._proved(client, answer.get("id_token", ""), _derived(secret, "nonce"))

    def _proved(self, client: Any, token: str, nonce: str) -> Identity:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        _, metadata, keys = self._all(client)
        must: Any = {
            "iss": {"essential": True, "value": metadata["issuer"]},
            "aud": {"essential": True, "value": self.provider.client_id},
            "nonce": {"essential": True, "value": nonce},
            "exp": {"essential": True},
            "sub": {"essential": True},
        }
        try:
            claims = jwt.decode(token, KeySet.import_key_set(cast(Any, keys)), algorithms=ALGORITHMS).claims
            jwt.JWTClaimsRegistry(leeway=LEEWAY_S, **must).validate(claims)
        except (JoseError, ValueError) as error:
            log.warning("oidc_token_refused error=%s", type(error).__name__)
            raise _refused("its token does not prove who this is") from error
        groups = claims.get(self.provider.groups_claim, [])
        listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        name = claims.get(self.provider.name_claim) or claims["sub"]
        subject = f"{metadata['issuer']} {claims['sub']}"
        return Identity(subject, str(name), tuple(str(group) for group in listed))

    def _client(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the HTTP client that Authlib will take one day
            from authlib.integrations.httpx_client import OAuth2Client

        provider = self.provider
        secret = _secret(provider.secret_file)
        return OAuth2Client(
            provider.client_id,
            secret,
            token_endpoint_auth_method=None if secret else "none",
            scope=provider.scope,
            redirect_uri=provider.redirect_uri,
            code_challenge_method="S256",
            timeout=TIMEOUT_S,
        )

    def _discovered(self, client: Any) -> dict[str, Any]:
        return self._all(client)[1]

    def _all(self, client: Any) -> tuple[float, dict[str, Any], dict[str, Any]]:
        """When it was read, the provider's description and its keys."""
        with self._lock:
            if self._found is not None and time.monotonic() - self._found[0] < DISCOVERY_KEPT_S:
                return self._found
            try:
                metadata = _json(client, self.provider.issuer.rstrip("/") + WELL_KNOWN)
                if str(metadata["issuer"]).rstrip("/") != self.provider.issuer.rstrip("/"):
                    raise ValueError("another issuer")
                self._found = (time.monotonic(), metadata, _json(client, metadata["jwks_uri"]))
            except Exception as error:
                log.warning("oidc_unreachable error=%s", type(error).__name__)
                message = "The identity provider cannot be asked."
                raise Unreachable("unreachable", message, "Sign in with a password.", retry_after_s=30) from error
            return self._found


def person(session: Session, identity: Identity, provider: Provider, now: datetime) -> User:
    """The user behind an identity, made at the first time, with the roles that its groups give now, if any."""
    given = [g for g in granted(identity.groups, provider.roles) if _exists(session, g.scope)]
    row: User | None = session.exec(select(User).where(User.subject == identity.subject)).first()
    if not given and row is None:
        raise _refused("none of the groups has a role here")
    if row is None:
        name = identity.name if users.NAME.fullmatch(identity.name) else identity.subject.rpartition(" ")[2][:64]
        return users.create(session, name, None, given, ACTOR, now, subject=identity.subject)
    users.set_grants(session, row, given, ACTOR, now, "groups of the identity provider")
    return row


def _exists(session: Session, scope: Scope) -> bool:
    try:
        users.check_scope(session, scope)
    except NotFound:
        log.warning("oidc_scope_missing scope=%s", scope)
        return False
    return True


def _json(client: Any, url: str) -> dict[str, Any]:
    answer = client.request("GET", url, withhold_token=True)
    answer.raise_for_status()
    found = answer.json()
    assert isinstance(found, dict)
    return found


def _secret(path: str) -> str | None:
    return Path(path).read_text().strip() if path else None


def _derived(secret: str, what: str) -> str:
    return hashlib.sha256(f"surefoot-oidc-v1 {what} {secret}".encode()).hexdigest()


def _refused(why: str) -> NotAllowed:
    return NotAllowed("not_signed_in", f"Nobody is signed in: {why}.", "Begin again, or ask for a role.")
