"""The live release and its shadow on a simulated device: what both show, and what the second takes from the first.

Promises: the same port that the agent's own shadow control stands on, so that what is started, compared and stopped is
decided by the agent's code alone; a shadow ends with the power, and lives on without the agent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from surefoot_agent.comparison import Figures
from surefoot_agent.pair import OWN, Shown
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName
from surefoot_simulators.device.application import CONDUCT, Runs
from surefoot_simulators.device.board import Board
from surefoot_simulators.device.conduct import GOOD, Conduct

FIGURES = Callable[[Conduct, float], Mapping[str, float]]
"""(conduct, seconds that it runs) → what the application shows."""


class SimPair:
    """Pair port."""

    def __init__(self, board: Board, live: Runs, conduct: CONDUCT, figures: FIGURES) -> None:
        self._board, self._live, self._conduct, self._figures = board, live, conduct, figures
        self._since: float | None = None
        self._of: Conduct = GOOD

    def start(self, slot: SlotName, manifest: Manifest) -> None:
        with self._board.around("start"):
            self._of = self._conduct(manifest.version)
            if not self._of.starts:
                raise InstallFailed("boot_failed", f"{manifest.version} does not start.")
            self._since = self._board.now()

    def stop(self) -> None:
        self._since = None

    def alive(self) -> bool:
        dies_s = self._of.crash_after_s
        return self._since is not None and (dies_s is None or self._up_s() < dies_s)

    def live(self) -> Figures | None:
        return _figures_of(self.measured()) if self._live.running() is not None else None

    def shadow(self) -> Shown:
        if not self.alive():
            return None, {}
        shown = self._figures(self._of, self._up_s())
        return _figures_of(shown), {name: shown[name] for name in OWN}

    def room(self) -> bool:
        return True

    def memory_ratio(self) -> float:
        """A shadow that leaks takes from what the node has left."""
        return max(0.0, 0.6 - self._of.memory_bytes_per_h * self._up_s() / 3600.0 / NODE_BYTES) if self.alive() else 0.6

    def measured(self) -> Mapping[str, float]:
        """What the live application shows, with what a shadow beside it takes."""
        conduct = self._live.conduct()
        shown = dict(self._figures(conduct, self._live.uptime_s()))
        if self.alive():
            shown["camera_fps"] *= self._of.live_fps_ratio
            shown["inference_p95_s"] *= self._of.live_latency_ratio
        return shown

    def _up_s(self) -> float:
        return self._board.now() - self._since if self._since is not None else 0.0


NODE_BYTES = 4e9


def _figures_of(shown: Mapping[str, float]) -> Figures:
    """As the page of one stream."""
    return Figures(
        shown["camera_fps"],
        shown["inference_p95_s"],
        shown["camera_frames_processed_total"],
        {"": shown["counts_total"]},
    )
