"""drills: rehearsals of going back, their schedules, and what each device took"""

import sqlalchemy as sa
from alembic import op


revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('drill_schedule',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('component', sa.String(length=32), nullable=False),
    sa.Column('cohort', sa.String(), nullable=False),
    sa.Column('every_s', sa.Float(), nullable=False),
    sa.Column('limit_s', sa.Float(), nullable=False),
    sa.Column('next_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.String(), nullable=False),
    sa.Column('stopped_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_drill_schedule'))
    )
    op.create_table('drill',
    sa.Column('id', sa.String(length=16), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('component', sa.String(length=32), nullable=False),
    sa.Column('cohort', sa.String(), nullable=False),
    sa.Column('limit_s', sa.Float(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('started_by', sa.String(), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_drill')),
    sa.UniqueConstraint('number', name=op.f('uq_drill_number'))
    )
    with op.batch_alter_table('drill', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_drill_state'), ['state'], unique=False)
    op.create_table('drill_device',
    sa.Column('drill_id', sa.String(length=16), nullable=False),
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('step', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('release_id', sa.String(), nullable=True),
    sa.Column('previous_release_id', sa.String(), nullable=True),
    sa.Column('assignment_id', sa.String(), nullable=True),
    sa.Column('revert_s', sa.Float(), nullable=True),
    sa.Column('apply_s', sa.Float(), nullable=True),
    sa.ForeignKeyConstraint(['device_id'], ['device.id'], name=op.f('fk_drill_device_device_id')),
    sa.ForeignKeyConstraint(['drill_id'], ['drill.id'], name=op.f('fk_drill_device_drill_id')),
    sa.PrimaryKeyConstraint('drill_id', 'device_id', name=op.f('pk_drill_device'))
    )


def downgrade() -> None:
    op.drop_table('drill_device')
    op.drop_table('drill')
    op.drop_table('drill_schedule')
