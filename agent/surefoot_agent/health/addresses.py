"""Where a check looks: its address with the device's values filled in, and proof that the application answers there.

Promises: an address on this machine counts only while the application itself holds the listening socket, so an orphan
of an old release never answers for the new one. Raises ConnectionError.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from surefoot_agent import processes, scrape
from surefoot_agent.health.scene import Scene
from surefoot_shared.release import HealthCheck


def url_of(check: HealthCheck, scene: Scene, param: str = "url") -> str:
    """The check's url with the device's values filled in; on this machine the application must own its port."""
    url = fill(str(check.params[param]), scene)
    parts = urlsplit(url)
    if parts.hostname in scrape.LOOPBACK:
        own(parts.port or 80, scene)
    return url


def fill(text: str, scene: Scene) -> str:
    for name, value in scene.endpoint.items():
        text = text.replace("{" + name + "}", value)
    return text


def own(port: int, scene: Scene) -> None:
    assert scene.running is not None, "looks.look() refuses a scene without a process"
    if not (processes.listens(port, [scene.running.pid]) or processes.listens(port, scene.pids())):
        raise ConnectionError(f"the application does not listen on port {port}")
