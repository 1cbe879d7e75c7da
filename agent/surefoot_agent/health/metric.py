"""Hold a number to its bounds, absolute and relative to what was measured just before the update. The judge is pure.

Promises: every series of the name must hold, so one bad stream does not hide behind a good one; a metric that is not
there fails; a bound relative to a baseline that does not exist is not applied, which the message says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from surefoot_agent import scrape
from surefoot_agent.health.addresses import url_of
from surefoot_agent.health.scene import Finding, Scene
from surefoot_agent.scrape import Series
from surefoot_shared.release import HealthCheck

RELATIVE = ("min_ratio", "max_ratio", "max_delta", "max_drop")


def look(check: HealthCheck, scene: Scene) -> Finding:
    """Scrape the application's page, or take the device's own metrics where no `url` is given."""
    if "url" in check.params:
        series, who = scrape.metrics(url_of(check, scene), check.timeout_s), "the application"
    else:
        series, who = [Series(name, value) for name, value in scene.node().items()], "the device"
    return judge(check.params, series, scene.known(check.name), who)


def judge(
    params: Mapping[str, str | float], series: Sequence[Series], baseline: Mapping[str, float], who: str
) -> Finding:
    """Judge every series of the metric; `baseline` is what this very check measured before the update."""
    name, wanted = str(params["metric"]), _labels(str(params.get("labels", "")))
    found = [s for s in series if s.name == name and wanted.items() <= s.labels.items()]
    if not found:
        return Finding(False, f"{who} shows no {name}")
    measured = {_key(one, len(found) > 1): one.value for one in found}
    worst = max if not any(p in params for p in ("min", "min_ratio", "max_drop")) else min
    measured[name] = worst(one.value for one in found)
    broken = {}
    for one in found:
        label = _key(one, len(found) > 1)
        words = _outside(params, one.value, label, baseline.get(label, baseline.get(name)))
        if words:
            broken[_labelled(one) if len(found) > 1 else ""] = words
    if broken:
        return Finding(False, "; ".join(broken.values()), measured, broken=broken)
    blind = not baseline and any(param in params for param in RELATIVE)
    note = "; nothing was measured before the update to compare it with" if blind else ""
    return Finding(True, f"{name} is {measured[name]:g}{note}", measured)


def _outside(params: Mapping[str, str | float], value: float, label: str, before: float | None) -> str:
    low, high = _bounds(params, before)
    if low is not None and value < low:
        return f"{label} is {value:g}, at least {low:g} is required"
    if high is not None and value > high:
        return f"{label} is {value:g}, at most {high:g} is allowed"
    return ""


def _bounds(params: Mapping[str, str | float], before: float | None) -> tuple[float | None, float | None]:
    """Absolute bounds and those relative to the baseline, whichever is tighter."""
    lows = [float(params["min"])] if "min" in params else []
    highs = [float(params["max"])] if "max" in params else []
    if before is not None:
        lows += [before * float(params[p]) for p in ("min_ratio",) if p in params]
        lows += [before - float(params[p]) for p in ("max_drop",) if p in params]
        highs += [before * float(params[p]) for p in ("max_ratio",) if p in params]
        highs += [before + float(params[p]) for p in ("max_delta",) if p in params]
    return max(lows, default=None), min(highs, default=None)


def _key(one: Series, many: bool) -> str:
    return f"{one.name}{{{_labelled(one)}}}" if many else one.name


def _labelled(one: Series) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(one.labels.items()))


def _labels(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {key.strip(): value.strip() for key, _, value in pairs}
