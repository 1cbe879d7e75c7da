"""feed: what happened, numbered, for whoever follows"""

import sqlalchemy as sa
from alembic import op


revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('feed_event',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('subject', sa.String(), nullable=False),
    sa.Column('rollout_id', sa.String(length=16), nullable=True),
    sa.Column('device_id', sa.String(length=64), nullable=True),
    sa.Column('actor', sa.String(), nullable=False),
    sa.Column('detail', sa.JSON(none_as_null=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_feed_event')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('feed_event', schema=None) as batch_op:
        batch_op.create_index('ix_feed_event_rollout_id_id', ['rollout_id', 'id'], unique=False)
        batch_op.create_index('ix_feed_event_device_id_id', ['device_id', 'id'], unique=False)


def downgrade() -> None:
    op.drop_table('feed_event')
