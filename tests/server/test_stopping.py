"""A server that is asked to end ends, whenever it is asked."""

from __future__ import annotations

import os
import signal
import threading

from surefoot_server.listeners import Listeners
from surefoot_server.stopping import Stop, signals


def listeners(ended: list[str]) -> Listeners:
    return Listeners([], on_stop=lambda: ended.append("ended"))


def test_what_was_asked_before_anything_served_is_not_forgotten() -> None:
    stop, ended = Stop(), list[str]()
    stop.set()

    stop.ends(listeners(ended))

    assert ended == ["ended"]


def test_a_signal_ends_the_listeners_and_is_remembered() -> None:
    stop, ended = Stop(), list[str]()
    stop.ends(listeners(ended))
    assert threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)

    with signals(stop):
        os.kill(os.getpid(), signal.SIGTERM)

    assert (ended, stop.signal) == (["ended"], signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
