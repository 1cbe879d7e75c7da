"""assignments: what a rollout's devices share, and what is lent of shared rates"""

import sqlalchemy as sa
from alembic import op

from surefoot_server.db import UtcDateTime


revision = '0030'
down_revision = '0029'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('assignment', schema=None) as batch_op:
        batch_op.add_column(sa.Column('pool_bytes_per_s', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('lent_bytes_per_s', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('lent_until', UtcDateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('assignment', schema=None) as batch_op:
        for name in ('lent_until', 'lent_bytes_per_s', 'pool_bytes_per_s'):
            batch_op.drop_column(name)
