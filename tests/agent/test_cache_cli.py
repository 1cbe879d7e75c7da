from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot_agent.__main__ import main


@pytest.mark.slow
def test_the_cache_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(f'state_dir = "{tmp_path}"\ncache_listen = "127.0.0.1:0"\n')
    command = [sys.executable, "-m", "surefoot_agent", "cache", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"address=127\.0\.0\.1:(\d+)", line)
        assert found, line
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=10)
        connection.request("GET", f"/blobs/{'a' * 64}")
        assert connection.getresponse().status == 404
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_settings_that_are_no_address_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(f'state_dir = "{tmp_path}"\ncache_listen = "nowhere"\n')

    assert main(["cache", "--config", str(config)]) == 2
    assert "cache_listen" in capsys.readouterr().err
