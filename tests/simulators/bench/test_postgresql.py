"""A cluster comes up, answers and leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from surefoot_shared.errors import Unreachable
from surefoot_simulators.bench.postgresql import cluster, program


@pytest.mark.slow
@pytest.mark.needs("initdb")
def test_a_cluster_answers_and_leaves_nothing() -> None:
    with cluster() as url:
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1
        engine.dispose()

    assert not Path(url.partition("host=")[2]).exists()


def test_a_program_that_is_missing_is_named_with_its_package() -> None:
    with pytest.raises(Unreachable, match="no-such-thing") as missing:
        program("no-such-thing")

    assert "postgresql" in missing.value.hint
