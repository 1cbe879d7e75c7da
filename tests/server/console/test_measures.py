"""Values with the unit that suits their size."""

from __future__ import annotations

import pytest

from surefoot_server.console.measures import measured, size
from surefoot_server.languages.catalogue import language


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("camera_fps", 14.93, "14.9 1/s"),
        ("memory_bytes", 310_000_000.0, "296 MiB"),
        ("memory_slope", 2048.0, "2.0 KiB/h"),
        ("node_cpu_ratio", 0.413, "41%"),
        ("node_cpu_ratio", 0.004, "0.4%"),
        ("soc_temperature_c", 53.24, "53.2 °C"),
        ("counts_total", 12_345.0, "12,345"),
        ("inference_p95_s", 0.0421, "0.0421 s"),
        ("own_queue_bytes", 512.0, "512 B"),
        ("own_number", 3.0, "3"),
    ],
)
def test_a_value_is_said_with_its_unit(name: str, value: float, text: str) -> None:
    assert measured(language("en"), value, name) == text


def test_numbers_follow_the_readers_language() -> None:
    assert measured(language("vi"), 14.93, "camera_fps") == "14,9 1/s"


def test_sizes_below_nothing_keep_their_sign() -> None:
    assert size(language("en"), -3_145_728.0) == "-3.0 MiB"
