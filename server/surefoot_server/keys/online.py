"""The server's half of trust: signs what each device shall run, keeps metadata fresh, accepts signed releases.

Holds the online keys only. It cannot release anything: a release comes in as role metadata that the offline release
keys signed, and is verified here like on a device. What it returns is on disk before. Refuses to start with keys that
the roots do not list.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, Root, Targets

from surefoot_server.keys import published
from surefoot_server.keys.counter import FleetCounter
from surefoot_server.keys.files import read_key
from surefoot_server.keys.image import ImageRepository, Signed, newest_root, roots_after
from surefoot_server.keys.install import installing
from surefoot_server.keys.layout import (
    DIRECTOR_KEY,
    HALT_KEY,
    IMAGE_SNAPSHOT,
    IMAGE_TIMESTAMP,
    ONLINE,
    RETIRED_HALT,
    key_file,
)
from surefoot_server.keys.published import Listed, Signatures
from surefoot_server.keys.signers import KEYS_FILE, online_signer
from surefoot_shared.errors import ConfigError, Conflict, SurefootError, UntrustedRelease
from surefoot_shared.messages import MetadataVersions, TrustHint
from surefoot_shared.release import TargetNote, role_name
from surefoot_shared.trust.bundle import Bundle, pack
from surefoot_shared.trust.director import SignedWish, sign_assignments
from surefoot_shared.trust.durable import write_durably
from surefoot_shared.trust.fields import X_DIGESTS, X_HALT
from surefoot_shared.trust.halt import LIFETIME as HALT_LIFETIME
from surefoot_shared.trust.halt import sign_halt, verify_halt

__all__ = ["OnlineRepository", "SignedWish"]


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class OnlineRepository:
    """Both repositories of one fleet. Methods may be called from any thread of the one process that owns `repo_dir`."""

    def __init__(self, repo_dir: Path, online_keys_dir: Path, clock: Callable[[], datetime] = _utc_now) -> None:
        """Load, check the keys against the roots, and sign again what is due; raises ConfigError."""
        self._lock = threading.RLock()
        self._clock = clock
        self._repo_dir, self._keys_dir = repo_dir, online_keys_dir
        self._director_dir = repo_dir / "director"
        self._cannot = ""
        self._counter = FleetCounter(repo_dir / "counter", lambda: int(clock().timestamp() * 1000))
        self._load()
        self.refresh(clock())

    def components(self) -> tuple[str, ...]:
        """The components that can be released."""
        return self._image.components()

    def next_seq(self) -> int:
        """A number above every one used before: for assignments; metadata versions come from the same count."""
        return self._counter.next()

    def accept_release(self, role_metadata: bytes, manifest: bytes) -> TargetNote:
        """Take a newer role that lists this manifest, sign snapshot and timestamp, return the release's signed note.

        Publishing again what the current role lists changes nothing. Raises UntrustedRelease (metadata_untrusted,
        metadata_expired, metadata_rollback, target_mismatch, manifest_malformed), NotFound, Conflict.
        """
        with self._lock:
            note = self._image.accept(role_metadata, manifest, self._clock())
            self._seen = self._fingerprint()
            return note

    def signed(self, component: str, version: str) -> tuple[Signed, bytes]:
        """How the role that answers for a release is signed, and its bytes. Raises NotFound."""
        with self._lock:
            return self._image.signed(component, version)

    def refresh(self, now: datetime) -> bool:
        """Follow keys that were installed; sign again what is missing, stale, at half of its life; True when it did.

        Raises ConfigError where what was installed does not fit together; it then goes on with what it had.
        """
        with self._lock:
            followed = self._follow()
            image = self._image.due(now)
            if image:
                self._image.sign(now)
            halt = self._halt()
            halt_is_due = halt is None or halt.expires - now < HALT_LIFETIME / 2 or not self._halt_is_believed(now)
            if halt_is_due:
                self.halt(_digests(halt), now)
            return followed or image or halt_is_due

    def expiring(self) -> dict[str, datetime]:
        """Until when each file that only offline keys can sign again is valid, by a name for people."""
        with self._lock:
            root = self._director_root
            return {**self._image.expiring(), f"director root {root.version}": root.expires}

    def signatures(self) -> tuple[Signatures, ...]:
        """How well signed each file is that people sign."""
        with self._lock:
            return published.signatures(self._repo_dir)

    def listed(self, component: str) -> Listed | None:
        """What the release keys say of a component's releases; None where there is no such component."""
        with self._lock:
            return published.listed(self._repo_dir, component)

    def bundle(
        self,
        device_id: str,
        wishes: Sequence[SignedWish],
        have_image: MetadataVersions,
        have_director: MetadataVersions,
        now: datetime,
        nonce: str = "",
    ) -> bytes:
        """Sign what this device shall run and pack it with the metadata it lacks; no wishes: nothing is wanted.

        `nonce` is of the hello that this answers: it proves to a device with a wrong clock that the time is now.
        """
        with self._lock:
            try:
                roots = roots_after(self._director_dir, have_director.root)
                director = {name: (self._director_dir / name).read_text() for name in roots}
                director |= sign_assignments(
                    device_id, wishes, self._counter.next(), now, self._director_signer, nonce=nonce
                )
                image = self._image.files_for(have_image, {wish.note.component for wish in wishes})
            except Conflict:
                raise  # what is wanted of this device contradicts itself; the keys are well
            except (SurefootError, OSError) as error:  # a signer that refused, a file that is gone
                self._cannot = (error.message if isinstance(error, SurefootError) else str(error)).rstrip(".")
                raise ConfigError("not_signed", self._cannot) from error
            self._cannot = ""
        return pack(Bundle(device_id, director, image))

    def unsignable(self, component: str, now: datetime) -> str:
        """Why no device would be told of an order for the component, or believe it; "" where one would.

        Known since the last signature that failed, until one succeeds, and of what only offline keys sign, by its end.
        """
        with self._lock:
            if self._cannot:
                return self._cannot
            ended = [file for file, until in self._needed(component).items() if until <= now]
        return f"the signature of {ended[0]} has expired; only the offline keys renew it" if ended else ""

    def _needed(self, component: str) -> dict[str, datetime]:
        """Of `expiring`, what a device must believe before it takes an order for the component."""
        role = f"image {role_name(component)} "
        return {
            file: until
            for file, until in self.expiring().items()
            if not file.startswith("image rel-") or file.startswith(role)
        }

    def halt(self, digests: Collection[str], now: datetime) -> bytes:
        """Sign and store the whole set that is halted from now on, with a new epoch; an empty one lifts every halt."""
        with self._lock:
            raw = sign_halt(sorted(digests), self._counter.next(), now, self._halt_signers)
            write_durably(self._halt_path, raw, mode=0o644)
            return raw

    def halt_list(self) -> bytes:
        """The current signed halt list; there always is one, if only an empty one."""
        with self._lock:
            return self._halt_path.read_bytes()

    def halted(self) -> tuple[str, ...]:
        """The digests of the current halt list."""
        with self._lock:
            return _digests(self._halt())

    def hint(self) -> TrustHint:
        """What the fleet topic says: numbers to compare, worth nothing as proof."""
        with self._lock:
            halt = self._halt()
            epoch = halt.version if halt else 0
            return TrustHint(self._image.timestamp_version(), self._director_root.version, epoch)

    def _follow(self) -> bool:
        """Load again where keys, roots or targets on disk are not those loaded."""
        if self._seen == self._fingerprint():
            return False
        with installing(self._repo_dir):
            self._load()
        return True

    def _load(self) -> None:
        """Read everything, check it, and only then use it: what does not fit together changes nothing."""
        seen = self._fingerprint()
        keys = {name: online_signer(self._keys_dir, name) for name in ONLINE}
        image_dir = self._repo_dir / "image"
        image = ImageRepository(image_dir, keys[IMAGE_SNAPSHOT], keys[IMAGE_TIMESTAMP], self._counter)
        director_root = newest_root(self._director_dir)
        _refuse_unlisted_keys(image.root, director_root, keys, self._keys_dir)
        retired = [read_key(self._keys_dir, RETIRED_HALT)] if key_file(self._keys_dir, RETIRED_HALT).exists() else []
        self._image, self._director_root = image, director_root
        self._director_signer, self._halt_signers = keys[DIRECTOR_KEY], [keys[HALT_KEY], *retired]
        self._seen = seen

    def _fingerprint(self) -> frozenset[tuple[str, int]]:
        """Of what people sign; the server's own files are not in it."""
        files = [*self._keys_dir.glob("*.pem"), *self._keys_dir.glob(KEYS_FILE)]
        for role in ("root", "targets", "rel-*"):
            files += self._repo_dir.glob(f"*/*.{role}.json")
        return frozenset((str(path), path.stat().st_mtime_ns) for path in files)

    @property
    def _halt_path(self) -> Path:
        return self._director_dir / "halt.json"

    def _halt_is_believed(self, now: datetime) -> bool:
        """False where the root has another halt key since it was signed."""
        try:
            verify_halt(self._halt_path.read_bytes(), self._director_root, now)
        except UntrustedRelease:
            return False
        return True

    def _halt(self) -> Targets | None:
        if not self._halt_path.exists():
            return None
        return Metadata[Targets].from_bytes(self._halt_path.read_bytes()).signed


def _refuse_unlisted_keys(image: Root, director: Root, keys: Mapping[str, Signer], folder: Path) -> None:
    """Better at start than as two thousand refusals: every online key must stand in its root."""
    listed = {
        IMAGE_SNAPSHOT: [image.roles["snapshot"].keyids],
        IMAGE_TIMESTAMP: [image.roles["timestamp"].keyids],
        DIRECTOR_KEY: [director.roles[role].keyids for role in ("targets", "snapshot", "timestamp")],
        HALT_KEY: [director.unrecognized_fields.get(X_HALT, {}).get("keyids", [])],
    }
    for name, key in keys.items():
        if not all(key.public_key.keyid in keyids for keyids in listed[name]):
            hint = "Give the server the online keys that belong to its repository: `surefoot keys install`."
            raise ConfigError("config_invalid", f"The root does not list the key {key_file(folder, name)}.", hint)


def _digests(halt: Targets | None) -> tuple[str, ...]:
    return tuple(halt.unrecognized_fields[X_DIGESTS]) if halt else ()
