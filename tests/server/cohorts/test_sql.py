"""The database gives the same answer as memory, for whatever expression and whatever fleet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql
from sqlmodel import Session, SQLModel, create_engine

from surefoot_server.cohorts import sql
from surefoot_server.cohorts.grammar import Traits, matches, parse
from surefoot_server.devices.models import Device, DeviceComponent, DeviceTag
from surefoot_server.migrations.tables import metadata
from surefoot_server.releases.models import Release
from tests.server.rig import NOW, Rig

VALUES = (
    "",
    "a",
    "A",
    "b",
    "1",
    "2",
    "10",
    "1.0",
    "1.10",
    "1.9",
    "1.0-rc1",
    "a*",
    "a?c",
    "[a]",
    "a%",
    "a_b",
    "!x",
    "é",
    "'",
)
NAMES = ("site", "country", "own", "we.ird", "hw", "device")
TAGS = ("lab", "canary", "old")


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    assert metadata is SQLModel.metadata
    metadata.create_all(engine)
    with Session(engine) as made:
        yield made
    engine.dispose()


def store(session: Session, fleet: list[Traits]) -> None:
    for table in (DeviceTag, DeviceComponent, Device, Release):
        session.connection().execute(sa.delete(table))
    session.expunge_all()
    versions = {v for t in fleet for v in t.versions.values()}
    for number, version in enumerate(sorted(versions)):
        session.add(
            Release(
                id=f"app/{version}",
                component="app",
                version=version,
                counter=number,
                svn=0,
                digest=f"{number:064}",
                manifest_size=1,
                total_bytes=1,
                published_at=NOW,
                published_by="test",
            )
        )
    for t in fleet:
        session.add(Device(id=t.device, hw=t.hw, public_key="", enrolled_at=NOW, attributes=dict(t.attributes)))
        session.add_all(DeviceTag(device_id=t.device, tag=tag) for tag in t.tags)
        for component, version in t.versions.items():
            session.add(
                DeviceComponent(device_id=t.device, component=component, release_id=f"app/{version}", updated_at=NOW)
            )
    session.flush()


values = st.sampled_from(VALUES)
fleets = st.lists(
    st.builds(
        Traits,
        device=st.sampled_from([f"{v}-{i}" for i in range(4) for v in ("cam", "CAM", "a", "10", "9")]),
        hw=values,
        attributes=st.dictionaries(st.sampled_from(NAMES[:4]), values, max_size=4),
        tags=st.frozensets(st.sampled_from(TAGS)),
        versions=st.dictionaries(st.just("app"), values.filter(bool), max_size=1),
    ),
    max_size=6,
    unique_by=lambda t: t.device,
)


def quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"


subjects = st.sampled_from([*NAMES, "version('app')", "version('model')"])
tests = st.one_of(
    st.sampled_from(["all", *(f"tag('{t}')" for t in TAGS)]),
    st.builds(
        "{} {} {}".format, subjects, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "~"]), values.map(quoted)
    ),
    st.builds(
        lambda s, vs: f"{s} in ({', '.join(map(quoted, vs))})", subjects, st.lists(values, min_size=1, max_size=3)
    ),
)
expressions = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner),
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("({}) or ({})".format, inner, inner),
    ),
    max_leaves=6,
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fleet=fleets, text=expressions)
def test_memory_and_database_give_the_same_answer(session: Session, fleet: list[Traits], text: str) -> None:
    store(session, fleet)
    expression = parse(text)

    assert sql.matching(session, expression) == sorted(t.device for t in fleet if matches(expression, t))


def test_a_missing_attribute_stays_false_under_not(rig: Rig) -> None:
    rig.device("cam-1")
    with rig.db.read() as session:
        assert sql.matching(session, parse("not missing == 'x'")) == ["cam-1"]
        assert sql.matching(session, parse("missing < 'x'")) == []


def test_a_quote_in_a_value_is_a_value(rig: Rig) -> None:
    rig.device("cam-1")
    with rig.db.read() as session:
        assert sql.matching(session, parse('''site == "x' or '1'=='1"''')) == []


def test_postgres_is_given_a_like_in_which_only_the_globs_are_special(rig: Rig) -> None:
    with rig.db.read() as session:
        condition = sql.condition(session, parse("hw ~ 'a*'"))

    compiled = str(condition.compile(dialect=postgresql.dialect()))
    assert " LIKE replace(replace(replace(replace(replace(" in compiled
    assert "ESCAPE '!'" in compiled
