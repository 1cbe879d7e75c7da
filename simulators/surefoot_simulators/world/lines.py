"""The line of a device as a scenario writes it: delay, loss, duplicates, late, rate_kbps, metered."""

from __future__ import annotations

from surefoot_simulators.device.link import Network
from surefoot_simulators.world.toml_lines import Table


def network(table: Table) -> Network:
    default = Network()
    made = Network(
        delay_s=table.span_s("delay", default.delay_s),
        loss=table.number("loss", 0.0, high=1.0),
        duplicates=table.number("duplicates", 0.0, high=1.0),
        late=table.number("late", 0.0, high=1.0),
        rate_bytes_per_s=table.number("rate_kbps", default.rate_bytes_per_s / 125.0, low=0.1) * 125.0,
        metered=table.flag("metered"),
    )
    table.done()
    return made
