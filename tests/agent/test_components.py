"""What a component says of itself is explained, in range, and fits together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot_agent import components
from surefoot_agent.boot.select import BOOTS
from surefoot_agent.components import ROWS, TABLE, ComponentSettings, fitted
from surefoot_shared.errors import ConfigError


def test_every_key_of_a_component_has_a_sentence_and_its_default() -> None:
    assert {row.key: row.default for row in TABLE.rows}["kind"] == "directory"
    assert all(row.unit and row.meaning.endswith(".") for row in ROWS)


def test_the_name_of_a_component_is_its_tables() -> None:
    assert fitted("model", ComponentSettings()).name == "model"


def test_a_boot_control_that_cannot_switch_such_a_component_is_refused_with_those_that_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backends = {"symlink": BOOTS["symlink"], "board": replace(BOOTS["symlink"], kinds=("image",))}
    monkeypatch.setattr(components, "BOOTS", backends)

    with pytest.raises(ConfigError) as caught:
        fitted("app", ComponentSettings(boot="board"))

    assert "components.app" in caught.value.message
    assert "symlink" in caught.value.hint
