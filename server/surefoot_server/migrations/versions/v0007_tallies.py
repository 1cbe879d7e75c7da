"""rollouts: ended attempts are counted once, so that a look of the engine costs what changed"""

import sqlalchemy as sa
from alembic import op

from surefoot_server.db import UtcDateTime


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

UNTALLIED = "outcome IS NOT NULL AND tallied <> outcome"
OPEN = "open"
WAITING = "standing = 'member' AND assignment_id IS NULL"


def upgrade() -> None:
    with op.batch_alter_table('assignment', schema=None) as batch_op:
        batch_op.add_column(sa.Column('tallied', sa.String(), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('tallied_at', UtcDateTime(), nullable=True))
    for name, where in (('ix_assignment_untallied', UNTALLIED), ('ix_assignment_at_work', OPEN)):
        op.create_index(
            name, 'assignment', ['rollout_id'], sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
    with op.batch_alter_table('rollout', schema=None) as batch_op:
        batch_op.add_column(sa.Column('tally', sa.JSON(), nullable=False, server_default='{}'))
    with op.batch_alter_table('rollout_phase', schema=None) as batch_op:
        batch_op.add_column(sa.Column('began_at', UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column('tally', sa.JSON(), nullable=False, server_default='{}'))
    op.execute("UPDATE rollout_phase SET began_at = waiting_since")
    with op.batch_alter_table('rollout_member', schema=None) as batch_op:
        batch_op.add_column(sa.Column('place', sa.Integer(), nullable=False, server_default='0'))
    op.create_index(
        'ix_rollout_member_waiting',
        'rollout_member',
        ['rollout_id', 'phase', 'place'],
        sqlite_where=sa.text(WAITING),
        postgresql_where=sa.text(WAITING),
    )
    op.create_index('ix_device_hello_at', 'device', ['hello_at'])


def downgrade() -> None:
    op.drop_index('ix_device_hello_at', 'device')
    op.drop_index('ix_rollout_member_waiting', 'rollout_member')
    with op.batch_alter_table('rollout_member', schema=None) as batch_op:
        batch_op.drop_column('place')
    with op.batch_alter_table('rollout_phase', schema=None) as batch_op:
        batch_op.drop_column('tally')
        batch_op.drop_column('began_at')
    with op.batch_alter_table('rollout', schema=None) as batch_op:
        batch_op.drop_column('tally')
    for name in ('ix_assignment_at_work', 'ix_assignment_untallied'):
        op.drop_index(name, 'assignment')
    with op.batch_alter_table('assignment', schema=None) as batch_op:
        batch_op.drop_column('tallied_at')
        batch_op.drop_column('tallied')
