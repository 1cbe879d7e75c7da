"""What a release of the camera application may set, read once from `settings.json` of its tree.

Refuses unknown keys and values out of range: a release with a misspelt setting must fail at its start, in probation,
and not run with a default that nobody chose.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

FILE = "settings.json"


@dataclass(frozen=True)
class Settings:
    """One release's configuration; every value has a default but the version."""

    version: str
    fps: float = 10.0
    """Frames the source delivers a second."""
    threshold: float = 20.0
    """Grey levels by which a pixel must differ from the background."""
    learn_ratio: float = 0.02
    """Share of a new frame that goes into the background."""
    line_x: int = 80
    """Column of the counting line, pixels."""
    freeze_after_s: float = 0.0
    """A fault: seconds after which the source delivers one frame for ever; 0 = never."""
    freeze_on_hw: str = ""
    """The hardware on which the fault shows."""
    streams: int = 1
    """Cameras that one application counts."""
    black_after_s: float = 0.0
    """A fault: seconds after which the sensor delivers black frames; 0 = never."""
    dead_stream: int = -1
    """A fault: the stream that never delivers a frame; -1 = none."""
    restarts_survived: int = -1
    """A fault: times that the pipeline can be stopped and started before no frame comes any more; -1 = any."""

    def __post_init__(self) -> None:
        if not self.version or not 1.0 <= self.fps <= 60.0:
            raise ValueError("version is empty or fps is not within 1 to 60")
        if not 1.0 <= self.threshold <= 255.0 or not 0.0 < self.learn_ratio <= 1.0:
            raise ValueError("threshold is not within 1 to 255 or learn_ratio not within 0 to 1")
        if not 0 < self.line_x < 160 or self.freeze_after_s < 0.0:
            raise ValueError("line_x is outside the frame or freeze_after_s is negative")
        if not 1 <= self.streams <= 16 or self.black_after_s < 0.0 or not -1 <= self.dead_stream < self.streams:
            raise ValueError("streams is not within 1 to 16, black_after_s is negative or dead_stream is no stream")

    def freezes_on(self, hw: str) -> bool:
        return self.freeze_after_s > 0.0 and self.freeze_on_hw == hw


def read_settings(tree: Path) -> Settings:
    """Read the settings of a release tree; raises ValueError naming the key or value that is wrong."""
    given = json.loads((tree / FILE).read_text())
    known = {field.name: field for field in dataclasses.fields(Settings)}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"{FILE}: unknown key {unknown[0]}")
    return Settings(**given)


def write_settings(tree: Path, settings: Settings) -> None:
    (tree / FILE).write_text(json.dumps(dataclasses.asdict(settings), indent=2) + "\n")
