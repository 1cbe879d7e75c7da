"""A few devices fetch a release each way, and a release that somebody lacks gives no figure."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_simulators.bench import fifty
from surefoot_simulators.bench.fifty import Camera, Payload, all_at_once, lease, outlet, stored

PAYLOAD = Payload({"bin/camera": b"program", "lib/one.so": bytes(range(256)) * 300})


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_what_the_server_sends_is_counted_each_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fifty, "DEVICES", 3)
    monkeypatch.setattr(fifty, "FILES", 1)

    http, cache, air = fifty.measure(tmp_path, lambda _line: None)

    assert http.value == 3
    assert 1 <= cache.value <= 3
    assert 1 <= air.value <= 3
    assert [each.name.partition(" by ")[2] for each in (http, cache, air)] == [
        "HTTP",
        "one cache of the site",
        "the broker",
    ]
    assert all(each.unit == "copies" for each in (http, cache, air))


class Rotting(Camera):
    """Its medium changes a byte after the seal."""

    def update(self) -> None:
        super().update()
        file = self.root / "app" / "slots" / "B" / "bin" / "camera"
        file.chmod(0o644)
        file.write_bytes(b"prograM")


def test_where_a_device_lacks_the_release_there_is_no_figure(tmp_path: Path) -> None:
    with outlet(stored(PAYLOAD, tmp_path / "store")) as (_, source):
        with pytest.raises(InstallFailed, match="1 of 2 devices"):
            all_at_once([kind(tmp_path / kind.__name__, PAYLOAD, lease(source)) for kind in (Camera, Rotting)])
        with pytest.raises(Unreachable):
            all_at_once([Camera(tmp_path / "alone", PAYLOAD, lease())])
