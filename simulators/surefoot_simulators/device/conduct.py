"""How a release behaves on a device, and what a camera measures by day, by night, at its site and under that release.

Promises: the same device, release and moment give the same figures, whoever asks and how often: noise is drawn from
the seed and what it is about, never from a running generator. The default conduct is a good release.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

DAY_S, HOUR_S = 86_400.0, 3_600.0
PROCESSED_RATIO = 0.99


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a release does to the device that runs it. Times count from the start of it."""

    starts: bool = True
    crash_after_s: float | None = None
    """The application dies, at each start anew."""
    panic_after_s: float | None = None
    """The kernel panics, in each boot anew."""
    hang_after_s: float | None = None
    """The agent is killed and does not come back under this release: the guard is alone."""
    dead_after_s: float | None = None
    """The device is never heard of again."""
    boot_loop: bool = False
    """A root that never comes up."""
    offline: bool = False
    """The network does not come up under this release."""
    fails: str = ""
    """Name of the check that fails."""
    fails_after_s: float = 0.0
    fps_ratio: float = 1.0
    latency_ratio: float = 1.0
    counts_ratio: float = 1.0
    memory_bytes_per_h: float = 0.0
    live_fps_ratio: float = 1.0
    """What it leaves of the live release's frames while it runs beside it as a shadow."""
    live_latency_ratio: float = 1.0


GOOD = Conduct()


@dataclass(frozen=True, slots=True)
class Usual:
    """What a good application shows by day; as it stands, a camera that counts a street."""

    fps: float = 25.0
    latency_s: float = 0.040
    counts_a_hour: float = 240.0
    memory_bytes: float = 200e6


@dataclass(frozen=True, slots=True)
class Scenery:
    """What is around all cameras: how much the dark takes, what a site does to its cameras together, and noise."""

    seed: int
    begins_at_hour: float = 12.0
    """Local hour of the day at the scenario's start."""
    night_ratio: float = 0.8
    site_sd: float = 0.03
    device_sd: float = 0.03
    noise_sd: float = 0.02
    usual: Usual = Usual()

    def draw(self, *about: object) -> float:
        """A number in 0..1 that belongs to what it is about."""
        text = ":".join(map(str, (self.seed, *about)))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big") / (1 << 56)

    def normal(self, sd: float, *about: object) -> float:
        """Box and Muller's transform of two draws."""
        radius = math.sqrt(-2.0 * math.log(max(self.draw(*about, "radius"), 1e-12)))
        return sd * radius * math.cos(2 * math.pi * self.draw(*about, "angle"))

    def is_dark(self, t: float) -> bool:
        return not 6.0 <= (self.begins_at_hour + t / HOUR_S) % 24.0 < 18.0

    def figures(self, device: str, site: str, conduct: Conduct, t: float, up_s: float) -> Mapping[str, float]:
        """The metrics of an application that runs since `up_s` seconds, at `t`."""
        hour, dark = int(t // HOUR_S), self.is_dark(t)
        own = 1.0 + self.normal(self.device_sd, device)
        here = 1.0 + self.normal(self.site_sd, site, hour)
        noise = 1.0 + self.normal(self.noise_sd, device, round(t))
        light = self.night_ratio if dark else 1.0
        usual = self.usual
        fps = max(0.0, usual.fps * own * here * noise * light * conduct.fps_ratio)
        counted = usual.counts_a_hour * own * (0.2 if dark else 1.0) * conduct.counts_ratio
        return {
            "camera_fps": fps,
            "camera_frame_age_s": 1.0 / fps if fps else 99.0,
            "camera_frames_captured_total": usual.fps * up_s,
            "camera_frames_processed_total": fps * up_s * PROCESSED_RATIO,
            "inference_p95_s": usual.latency_s / own * here * noise * conduct.latency_ratio,
            "counts_total": counted * up_s / HOUR_S,
            "memory_bytes": usual.memory_bytes * own + conduct.memory_bytes_per_h * up_s / HOUR_S,
        }


SHOWN = frozenset(Scenery(0).figures("", "", GOOD, 0.0, 1.0))
"""The names of what a simulated application shows."""
