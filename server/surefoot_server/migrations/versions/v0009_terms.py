"""assignments: the terms on which a device may fetch and switch; rollouts: sites, and when a phase switched together"""

import sqlalchemy as sa
from alembic import op

from surefoot_server.db import UtcDateTime


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

LOST = "outcome = 'lost'"


def upgrade() -> None:
    with op.batch_alter_table('assignment', schema=None) as batch_op:
        batch_op.add_column(sa.Column('activate', sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column('windows', sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column('download_windows', sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column('rate_bytes_per_s', sa.Integer(), nullable=True))
    op.create_index(
        'ix_assignment_lost', 'assignment', ['rollout_id'], sqlite_where=sa.text(LOST), postgresql_where=sa.text(LOST)
    )
    with op.batch_alter_table('rollout_phase', schema=None) as batch_op:
        batch_op.add_column(sa.Column('activated_at', UtcDateTime(), nullable=True))
    with op.batch_alter_table('rollout_member', schema=None) as batch_op:
        batch_op.add_column(sa.Column('site', sa.String(), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('zone', sa.String(), nullable=False, server_default=''))


def downgrade() -> None:
    with op.batch_alter_table('rollout_member', schema=None) as batch_op:
        batch_op.drop_column('zone')
        batch_op.drop_column('site')
    with op.batch_alter_table('rollout_phase', schema=None) as batch_op:
        batch_op.drop_column('activated_at')
    op.drop_index('ix_assignment_lost', 'assignment')
    with op.batch_alter_table('assignment', schema=None) as batch_op:
        for name in ('rate_bytes_per_s', 'download_windows', 'windows', 'activate'):
            batch_op.drop_column(name)
