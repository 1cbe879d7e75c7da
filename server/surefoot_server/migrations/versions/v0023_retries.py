"""rollouts: how often a device was tried again, for which class of failure, and when its next try begins"""

import sqlalchemy as sa
from alembic import op

from surefoot_server.db import UtcDateTime


revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None

BACKING_OFF = "retry_at IS NOT NULL AND assignment_id IS NULL"
FAILED = "outcome IN ('failed', 'refused', 'reverted')"


def upgrade() -> None:
    with op.batch_alter_table('rollout_member', schema=None) as batch_op:
        batch_op.add_column(sa.Column('tries', sa.JSON(), nullable=False, server_default='{}'))
        batch_op.add_column(sa.Column('retry_at', UtcDateTime(), nullable=True))
    for name, table, where in (
        ('ix_rollout_member_retry', 'rollout_member', BACKING_OFF),
        ('ix_assignment_failed', 'assignment', FAILED),
    ):
        op.create_index(name, table, ['rollout_id'], sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    op.drop_index('ix_assignment_failed', 'assignment')
    op.drop_index('ix_rollout_member_retry', 'rollout_member')
    with op.batch_alter_table('rollout_member', schema=None) as batch_op:
        batch_op.drop_column('retry_at')
        batch_op.drop_column('tries')
