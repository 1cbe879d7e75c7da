"""rollout_phase: how many looks at its metrics were taken"""

import sqlalchemy as sa
from alembic import op


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('rollout_phase', schema=None) as batch_op:
        batch_op.add_column(sa.Column('looks', sa.Integer(), server_default='0', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('rollout_phase', schema=None) as batch_op:
        batch_op.drop_column('looks')
