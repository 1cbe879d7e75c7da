"""What a forecast says is known to the server without what makes it."""

from __future__ import annotations

import subprocess
import sys

from surefoot_server.rollouts.forecast.answer import Spread


def test_the_answer_is_known_without_the_arithmetic() -> None:
    code = "import sys, surefoot_server.rollouts.forecasting; print('numpy' in sys.modules)"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert said == "False\n"


def test_where_no_run_came_so_far_all_is_nothing() -> None:
    assert Spread() == Spread(0.0, 0.0, 0.0, 0.0)
