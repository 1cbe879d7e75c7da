"""rollouts: who approved them, or one of their phases"""

import sqlalchemy as sa
from alembic import op

from surefoot_server.db import UtcDateTime


revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'rollout_approval',
        sa.Column('rollout_id', sa.String(length=16), nullable=False),
        sa.Column('phase', sa.Integer(), nullable=False),
        sa.Column('actor', sa.String(length=200), nullable=False),
        sa.Column('at', UtcDateTime(), nullable=False),
        sa.Column('reason', sa.String(), nullable=False),
        sa.ForeignKeyConstraint(['rollout_id'], ['rollout.id'], name=op.f('fk_rollout_approval_rollout_id_rollout')),
        sa.PrimaryKeyConstraint('rollout_id', 'phase', 'actor', name=op.f('pk_rollout_approval')),
    )


def downgrade() -> None:
    op.drop_table('rollout_approval')
