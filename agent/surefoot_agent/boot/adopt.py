"""What RAUC or Mender left on a device whose boot script stays as it is: looked at once, before the first attempt.

Promises: the bootloader's variables go on to mean what they meant; a slot for which RAUC does not vouch is marked, so
that it is never the way back. Refuses to touch anything while an update of the other agent waits for its verdict or its
restart: it is tried again at the next start. What the slots hold is told by the other agent's names until Surefoot has
written them; no digest is claimed for it.
"""

from __future__ import annotations

import configparser
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.boot.select import TAKEN_OVER, names_of
from surefoot_agent.boot.variables import Names
from surefoot_agent.components import ComponentSettings
from surefoot_agent.guard import write_file
from surefoot_agent.ports import BootControl
from surefoot_shared.errors import SurefootError
from surefoot_shared.status import SlotName, SlotState

log = logging.getLogger(__name__)
RECORD = "adopted.json"
RAUC_CONF = Path("etc/rauc/system.conf")
MENDER_NAMES = (Path("etc/mender/artifact_info"), Path("var/lib/mender/artifact_info"))


@dataclass(frozen=True)
class Left:
    """What the agent before knew: the releases of the slots by its names, and the marks that follow from it."""

    releases: Mapping[SlotName, str]
    marks: Mapping[SlotName, SlotState]


def adopt(component: ComponentSettings, boot: BootControl, folder: Path, root: Path = Path("/")) -> bool:
    """Take over once; return whether it is done. `folder` is the component's own, `root` where /etc is."""
    if component.boot not in TAKEN_OVER or component.boot_variables not in READERS or is_done(folder):
        return is_done(folder)
    try:
        current, trial = boot.current(), boot.trial()
        if boot.primary() is not current or trial.slot is not None:
            log.warning("adoption_waits variables=%s", component.boot_variables)
            return False
        left = READERS[component.boot_variables](root, names_of(component), current)
        boot.commit(current)
        for slot, mark in left.marks.items():
            if slot is not current:
                boot.set_state(slot, mark)
        write_file(folder / RECORD, json.dumps({slot.value: name for slot, name in left.releases.items()}).encode())
    except SurefootError as error:
        log.warning("adoption_failed kind=%s message=%s", error.kind, error.message)
        return False
    except OSError as error:  # a full or read-only data partition: the next start tries again, and this one goes on
        log.warning("adoption_failed message=%s", error.strerror)
        return False
    log.info("adopted variables=%s slot=%s", component.boot_variables, current.value)
    return True


def is_done(folder: Path) -> bool:
    return (folder / RECORD).exists()


def releases(folder: Path) -> Mapping[SlotName, str]:
    """What the agent before called the contents of the slots; nothing where there was none."""
    try:
        stored = json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return {}
    return {slot: str(stored[slot.value]) for slot in SlotName if isinstance(stored, dict) and slot.value in stored}


def rauc(root: Path, names: Names, current: SlotName) -> Left:
    """Read RAUC's slots and their status: of all in one file, or of the running one in a file of its own root."""
    system = _key_file(root / RAUC_CONF)
    known = {
        slot: section
        for section in system.sections()
        if section.startswith("slot.") and (slot := names.slot(system[section].get("bootname"))) is not None
    }
    status = _key_file(root / _status_file(system).relative_to("/"))
    found, marks = dict[SlotName, str](), dict[SlotName, SlotState]()
    in_its_root = _key_file(root / "slot.raucs")
    for slot in SlotName:
        section = status[known[slot]] if known.get(slot) in status else {}
        if not section and slot is current and "slot" in in_its_root:
            section = in_its_root["slot"]
        if section.get("bundle.version"):
            found[slot] = section["bundle.version"]
        vouched = section.get("status")
        marks[slot] = SlotState.GOOD if vouched == "ok" else SlotState.BAD if vouched else SlotState.EMPTY
        if marks[slot] is SlotState.GOOD and slot is not current:
            del marks[slot]  # whether it is bootable the bootloader's variables say
    return Left(found, marks)


def mender(root: Path, names: Names, current: SlotName) -> Left:
    """Read what Mender calls the running slot; of the other one it knows nothing."""
    for file in MENDER_NAMES:
        for line in _lines(root / file):
            key, _, value = line.partition("=")
            if key.strip() == "artifact_name":
                return Left({current: value.strip()}, {})
    return Left({}, {})


def _status_file(system: configparser.ConfigParser) -> Path:
    """Where RAUC keeps the status of all slots; source: its reference, `statusfile` and `data-directory`."""
    file = system.get("system", "statusfile", fallback="per-slot")
    folder = system.get("system", "data-directory", fallback="")
    if file.startswith("/"):
        return Path(file)
    return Path(folder) / "central.raucs" if folder.startswith("/") else Path("/nonexistent")


def _key_file(file: Path) -> configparser.ConfigParser:
    """Read a GLib key file; one that cannot be read says nothing."""
    found = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",), comment_prefixes=("#",))
    try:
        found.read_string("\n".join(_lines(file)))
    except configparser.Error as error:
        log.warning("status_unreadable file=%s error=%s", file, type(error).__name__)
        return configparser.ConfigParser()
    return found


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


READERS = {"rauc": rauc, "mender": mender}
