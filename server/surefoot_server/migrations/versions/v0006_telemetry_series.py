"""telemetry: series, raw values of three numbers, rollups; PostgreSQL keeps raw values in one partition a day"""

import sqlalchemy as sa
from alembic import op


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

ROLLUPS = ('telemetry_five_minutes', 'telemetry_hour')
MS = "CAST(ROUND((julianday(at) - 2440587.5) * 86400000) AS INTEGER)"
MS_POSTGRESQL = "CAST(ROUND(EXTRACT(EPOCH FROM at) * 1000) AS BIGINT)"


def upgrade() -> None:
    bind = op.get_bind()
    postgresql = bind.dialect.name == 'postgresql'
    ms = MS_POSTGRESQL if postgresql else MS
    op.create_table('telemetry_series',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('component', sa.String(length=32), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('slot', sa.String(length=1), nullable=False),
    sa.Column('last_at_ms', sa.BigInteger(), nullable=False),
    sa.Column('last_value', sa.Float(), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['device.id'], name=op.f('fk_telemetry_series_device_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_telemetry_series')),
    sa.UniqueConstraint('device_id', 'name', 'component', 'digest', 'slot', name=op.f('uq_telemetry_series_device_id_name_component_digest_slot')),
    )
    with op.batch_alter_table('telemetry_series', schema=None) as batch_op:
        batch_op.create_index('ix_telemetry_series_name_digest', ['name', 'digest'], unique=False)
        batch_op.create_index('ix_telemetry_series_digest', ['digest'], unique=False)
    op.rename_table('telemetry_sample', 'telemetry_sample_before')
    _create_samples(postgresql)
    for name in ROLLUPS:
        op.create_table(name,
        sa.Column('series_id', sa.Integer(), nullable=False),
        sa.Column('from_ms', sa.BigInteger(), nullable=False),
        sa.Column('samples', sa.Integer(), nullable=False),
        sa.Column('mean', sa.Float(), nullable=False),
        sa.Column('median', sa.Float(), nullable=False),
        sa.Column('p95', sa.Float(), nullable=False),
        sa.Column('low', sa.Float(), nullable=False),
        sa.Column('high', sa.Float(), nullable=False),
        sa.Column('first', sa.Float(), nullable=False),
        sa.Column('last', sa.Float(), nullable=False),
        sa.Column('rise', sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint('series_id', 'from_ms', name=op.f(f'pk_{name}')),
        sqlite_with_rowid=False,
        )
    op.create_table('telemetry_late',
    sa.Column('series_id', sa.Integer(), nullable=False),
    sa.Column('from_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('series_id', 'from_ms', name=op.f('pk_telemetry_late')),
    )
    op.create_table('telemetry_progress',
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('until_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_telemetry_progress')),
    )
    key = "device_id, name, COALESCE(component, ''), COALESCE(digest, ''), COALESCE(slot, '')"
    op.execute(
        "INSERT INTO telemetry_series (device_id, name, component, digest, slot, last_at_ms, last_value) "
        f"SELECT {key}, 0, 0 FROM telemetry_sample_before GROUP BY {key}"
    )
    op.execute(
        "INSERT INTO telemetry_sample (series_id, at_ms, value) "
        f"SELECT s.id, {ms} AS t, MAX(b.value) FROM telemetry_sample_before b JOIN telemetry_series s "
        "ON s.device_id = b.device_id AND s.name = b.name AND s.component = COALESCE(b.component, '') "
        "AND s.digest = COALESCE(b.digest, '') AND s.slot = COALESCE(b.slot, '') GROUP BY s.id, t"
    )
    op.execute(
        "UPDATE telemetry_series SET last_at_ms = COALESCE((SELECT MAX(at_ms) FROM telemetry_sample v "
        "WHERE v.series_id = telemetry_series.id), 0)"
    )
    op.execute(
        "UPDATE telemetry_series SET last_value = COALESCE((SELECT v.value FROM telemetry_sample v "
        "WHERE v.series_id = telemetry_series.id AND v.at_ms = telemetry_series.last_at_ms), 0)"
    )
    for name in ('telemetry_sample_before', 'telemetry_latest', 'telemetry_batch'):
        op.drop_table(name)
    with op.batch_alter_table('device_stream', schema=None) as batch_op:
        for name in ('batch_top', 'batch_last'):
            batch_op.add_column(sa.Column(name, sa.BigInteger(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('batch_seen', sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column('batch_held', sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column('clock_shift_s', sa.Float(), nullable=False, server_default='0'))
    op.execute("UPDATE device_stream SET batch_top = batch, batch_last = batch")


def _create_samples(postgresql: bool) -> None:
    if postgresql:
        op.execute(
            "CREATE TABLE telemetry_sample (series_id INTEGER NOT NULL, at_ms BIGINT NOT NULL, "
            "value DOUBLE PRECISION NOT NULL) PARTITION BY RANGE (at_ms)"
        )
        op.execute("CREATE TABLE telemetry_sample_rest PARTITION OF telemetry_sample DEFAULT")
        op.execute("CREATE INDEX ix_telemetry_sample_series_id_at_ms ON telemetry_sample (series_id, at_ms)")
        return
    op.create_table('telemetry_sample',
    sa.Column('series_id', sa.Integer(), nullable=False),
    sa.Column('at_ms', sa.BigInteger(), nullable=False),
    sa.Column('value', sa.Float(), nullable=False),
    sa.PrimaryKeyConstraint('series_id', 'at_ms', name=op.f('pk_telemetry_sample')),
    sqlite_with_rowid=False,
    )


def downgrade() -> None:
    raise NotImplementedError('raw values cannot be spread over rows of their own again: restore a backup')
