"""Slots that RAUC writes: a release is a RAUC bundle in a tree, verified here, then handed to `rauc install`.

Promises: the bundle is fetched, resumed and verified like any tree, beside the slots; a slot counts as installed only
by our record, which is gone before RAUC is asked to write and back once RAUC itself says that it wrote this very slot.
RAUC's own signature is checked by RAUC, as its keyring says. Refuses a RAUC that would enter what it has installed at
once: when to switch, and back, is not its to decide here (`activate-installed=false`).
"""

from __future__ import annotations

import configparser
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent import guard
from surefoot_agent.boot.variables import Names
from surefoot_agent.ports import Bytes, Piece
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import Manifest, SlotKind
from surefoot_shared.status import SlotName

ENDING = ".raucb"
RECORD = "rauc"
SYSTEM_CONF = Path("/etc/rauc/system.conf")
INSTALL_LIMIT_S = 7200.0
STATUS_LIMIT_S = 60.0
LAST_CHARACTERS = 300


@dataclass(frozen=True)
class Program:
    """RAUC's command line; `environment` is laid over our own, `config` is what its service reads."""

    path: str = "/usr/bin/rauc"
    config: Path = SYSTEM_CONF
    environment: Mapping[str, str] | None = None

    def activates(self) -> bool:
        """Whether RAUC enters a slot at the next start as soon as it has written it; its own default is yes.

        Raises InstallFailed(rauc_failed) for a configuration that cannot be read.
        """
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read(self.config)
        except (configparser.Error, UnicodeDecodeError) as error:
            raise InstallFailed("rauc_failed", f"{self.config} cannot be read: {type(error).__name__}.") from error
        return parser.get("system", "activate-installed", fallback="true").strip().lower() != "false"

    def install(self, bundle: Path) -> None:
        self._run(["install", str(bundle)], INSTALL_LIMIT_S)

    def writes(self, bootname: str) -> int | None:
        """How often RAUC wrote the slot that the bootloader calls so; None for one that it does not know."""
        told = json.loads(self._run(["status", "--detailed", "--output-format=json"], STATUS_LIMIT_S))
        for slot in (slot for entry in told.get("slots", ()) for slot in entry.values()):
            if slot.get("bootname") == bootname:
                return int(slot.get("slot_status", {}).get("installed", {}).get("count", 0))
        return None

    def _run(self, words: Sequence[str], limit_s: float) -> str:
        env = {**os.environ, **(self.environment or {})}
        try:
            done = subprocess.run(
                [self.path, *words],
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=limit_s,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InstallFailed("rauc_failed", f"{self.path} {words[0]} cannot be run to its end: {error}.") from error
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-LAST_CHARACTERS:]
            raise InstallFailed("rauc_failed", f"rauc {words[0]} ended with {done.returncode}: {said}")
        return done.stdout


class RaucSlots:
    """Slots port: staged by `DirectorySlots`, written by RAUC into the devices that its configuration names."""

    kind = SlotKind.TREE

    def __init__(
        self,
        component_dir: Path,
        devices: Mapping[SlotName, Path],
        names: Names,
        reserve_bytes: int = 0,
        program: Program = Program(),
    ) -> None:
        self._folder, self._devices, self._names, self._program = component_dir, dict(devices), names, program
        self._staged = DirectorySlots(component_dir, reserve_bytes)

    def path(self, slot: SlotName) -> Path:
        return self._devices[slot]

    def installed(self, slot: SlotName) -> Manifest | None:
        digest = self._record().get(slot.value)
        return self._staged.installed(slot) if digest and self._staged.digest(slot) == digest else None

    def signed(self, slot: SlotName) -> bytes | None:
        return self._staged.signed(slot) if self.installed(slot) else None

    def digest(self, slot: SlotName) -> str | None:
        return self._record().get(slot.value) if self.installed(slot) else None

    def room(self, size_bytes: int, inodes: int, slot: SlotName) -> None:
        """As for a tree; what the slots themselves hold is RAUC's to check."""
        if self._program.activates():
            message = "RAUC would enter what it installed at the next start, before anything was armed."
            raise InstallFailed("rauc_failed", message, f"Set activate-installed=false in {self._program.config}.")
        self._staged.room(size_bytes, inodes, slot)

    def begin(self, slot: SlotName, manifest: Manifest, raw: bytes) -> None:
        self._keep(slot, None)
        self._staged.begin(slot, manifest, raw)

    def missing(self, slot: SlotName) -> Sequence[Piece]:
        return self._staged.missing(slot)

    def reuse(self, slot: SlotName, piece: Piece) -> Sequence[Piece]:
        return self._staged.reuse(slot, piece)

    def write(self, slot: SlotName, piece: Piece, source: Bytes) -> None:
        self._staged.write(slot, piece, source)

    def seal(self, slot: SlotName) -> None:
        """Verify the bundle, and let RAUC write it unless it wrote this very one. Raises InstallFailed(rauc_failed)."""
        self._staged.seal(slot)
        digest = self._staged.digest(slot)
        if digest is None or self._record().get(slot.value) == digest:
            return
        name = self._names.of(slot)
        before = self._program.writes(name)
        self._program.install(self._bundle(slot))
        after = self._program.writes(name)
        if before is None or after is None or after <= before:
            message = f"RAUC did not write slot {slot.value}, which its configuration must call bootname={name}."
            raise InstallFailed("rauc_failed", message)
        self._keep(slot, digest)

    def clear(self, slot: SlotName) -> None:
        self._keep(slot, None)
        self._staged.clear(slot)

    def _bundle(self, slot: SlotName) -> Path:
        manifest = self._staged.installed(slot)
        bundles = [file.path for file in manifest.files if file.path.endswith(ENDING)] if manifest else []
        if len(bundles) != 1:
            raise InstallFailed("rauc_failed", f"The release holds {len(bundles)} bundles (*{ENDING}); RAUC takes one.")
        return self._staged.path(slot) / bundles[0]

    def _record(self) -> dict[str, str]:
        """Slot → digest of the release whose bundle RAUC wrote into it."""
        stored = guard.load_record(self._folder, RECORD) or {}
        return {name: str(digest) for name, digest in stored.items() if digest}

    def _keep(self, slot: SlotName, digest: str | None) -> None:
        held = self._record()
        if held.get(slot.value) != digest:
            self._folder.mkdir(parents=True, exist_ok=True)
            guard.save_record(self._folder, RECORD, {**held, slot.value: digest or ""})
