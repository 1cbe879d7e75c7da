"""Switch from the device's key and certificate to the next ones, and never be without a pair that works.

Promises: the two files of a new pair are whole on the medium before anything points at them (`fresh_pair`, in a process
of its own, makes them); one rename of `device.json` switches from the old pair to the new; the old pair stays until the
broker has let the device in with the new one, and is taken again where it does not for TRY_S. A kill or a power cut at
any step leaves a pair that works, and the next start goes on from there.
Refuses to begin or to switch while an update is not committed: that is the runner's to say.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from surefoot_agent.identity import DEVICE_FACTS, Identity, load_identity
from surefoot_agent.signer import Sign, signer_of
from surefoot_agent.trust_talk import SLOW, Failure
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, InstallFailed, Invalid, SurefootError, Unreachable
from surefoot_shared.messages import Sealed
from surefoot_shared.seals import SealKind, sealed_by
from surefoot_shared.trust.durable import sync_folder, write_durably

POLL_S = 3600.0
"""Between two looks at the certificate; also after a refusal, for the server's operator must act first."""
TRY_S = 900.0
"""How long a new pair may fail to connect before the old one is taken again; both are valid, so it costs little."""
SOON_S = 60.0
"""Until the next look while an update is going on."""
RENEWED_AT = "renewed_at"
"""The fact of `device.json` that says when the pair in use was taken, by this device's clock."""
PAIRS = ("device", "device-2")
"""File names of the two pairs; `device.json` says which one counts."""

LOOK_S = 90.0
"""For one look: half a second is usual; the server may take 30 s to answer, and a Pi a few to begin."""
COMPLAINT_BYTES = 1000
FAMILIES: dict[str, type[SurefootError]] = {
    family.__name__: family for family in (ConfigError, Unreachable, Invalid, InstallFailed)
}


@dataclass(frozen=True, slots=True)
class Looked:
    """The one answer of a look: whether a new pair lies ready, or what went wrong."""

    ready: bool = False
    error: Failure | None = None
    v: int = 1


@dataclass(frozen=True, slots=True)
class Prepared:
    """Whether a new pair lies ready to be adopted."""

    ready: bool


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The old pair is gone."""


class Renewal:
    """The pair in use and the spare one. `prepare` and `confirm` run in a worker, the rest in the loop."""

    def __init__(
        self, state_dir: Path, utc: Callable[[], datetime], look: Callable[[Path], bool] | None = None
    ) -> None:
        self._state_dir, self._folder, self._utc = state_dir, state_dir / "identity", utc
        self._look_at = look or look_in_child
        self._identity = load_identity(state_dir)
        self._sign = _signer(self._identity)
        self._use: Callable[[Identity], None] = lambda _: None

    @property
    def identity(self) -> Identity:
        return self._identity

    @property
    def pair(self) -> str:
        """The name of the pair in use."""
        return self._identity.cert_file.stem

    @property
    def on_trial(self) -> bool:
        """Whether the pair in use has yet to connect for the first time."""
        return bool(self._facts().get("before"))

    def on_change(self, use: Callable[[Identity], None]) -> None:
        """Say who must connect anew when the pair changes."""
        self._use = use

    def seal(self, kind: SealKind, payload: bytes) -> Sealed:
        """Sign with the key in use, whichever it is by then."""
        return sealed_by(self._sign, kind, payload)

    def prepare(self) -> Prepared:
        """Where it is time, get a certificate for a new key. Raises ConfigError, Unreachable or Invalid."""
        return Prepared(self._look_at(self._state_dir))

    def adopt(self) -> None:
        """Switch to the new pair, on trial; the broker is asked to let us in with it."""
        if not all(path.exists() for path in pair_files(self._folder, self._spare)):
            return
        facts = {**self._facts(), RENEWED_AT: self._utc().isoformat()}
        self._point_at({**facts, "pair": self._spare, "before": self.pair})

    def confirm(self) -> Confirmed:
        """The broker let us in with the pair in use: the other one has done its duty."""
        facts = self._facts()
        facts.pop("before", None)
        self._write(facts)
        remove_pair(self._folder, self._spare)
        return Confirmed()

    def go_back(self) -> None:
        """The new pair did not connect: take the old one again, and ask for another certificate later."""
        facts = self._facts()
        before = str(facts.pop("before", ""))
        facts.pop(RENEWED_AT, None)
        if before:
            tried = self.pair
            self._point_at({**facts, "pair": before})
            pair_files(self._folder, tried)[1].unlink(missing_ok=True)

    @property
    def _spare(self) -> str:
        return spare_of(self.pair)

    def _point_at(self, facts: dict[str, object]) -> None:
        self._write(facts)
        self._identity = load_identity(self._state_dir)
        self._sign = _signer(self._identity)
        self._use(self._identity)

    def _facts(self) -> dict[str, object]:
        facts = json.loads((self._folder / DEVICE_FACTS).read_bytes())
        assert isinstance(facts, dict)  # load_identity refuses the rest
        return facts

    def _write(self, facts: dict[str, object]) -> None:
        write_durably(self._folder / DEVICE_FACTS, json.dumps(facts, indent=1, sort_keys=True).encode())


def pair_files(folder: Path, pair: str) -> tuple[Path, Path]:
    """Key and certificate of a pair."""
    return folder / f"{pair}.key", folder / f"{pair}.crt"


def spare_of(pair: str) -> str:
    return PAIRS[1] if pair == PAIRS[0] else PAIRS[0]


def remove_pair(folder: Path, pair: str) -> None:
    key_file, cert_file = pair_files(folder, pair)
    key_file.unlink(missing_ok=True)  # first: a key without its certificate would be taken for a fresh one
    cert_file.unlink(missing_ok=True)
    sync_folder(folder)


def look_in_child(state_dir: Path) -> bool:
    """Run `fresh_pair` and raise what it says; a child that dies without a word is busy: there is another look."""
    command = (sys.executable, "-I", "-B", "-m", "surefoot_agent.fresh_pair", str(state_dir))
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LOOK_S, env={}, check=False
        )
    except subprocess.TimeoutExpired as error:
        message = f"The look at the certificate took longer than {LOOK_S:g} s."
        raise Unreachable("busy", message, SLOW) from error
    if done.returncode != 0:
        complaint = done.stderr[-COMPLAINT_BYTES:].decode(errors="replace").strip().rpartition("\n")[2]
        raise Unreachable("busy", f"The look at the certificate ended with code {done.returncode}: {complaint}.")
    looked = wire.decode(Looked, done.stdout)
    if failure := looked.error:
        raise FAMILIES.get(failure.family, Invalid)(failure.kind, failure.message, failure.hint)
    return looked.ready


def _signer(identity: Identity) -> Sign:
    return signer_of(identity.key_file.read_bytes())
