"""devices: since when a component runs something else than what it committed"""

import sqlalchemy as sa
from alembic import op

from surefoot_server.db import UtcDateTime


revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None

STRAYED = "strayed_at IS NOT NULL"


def upgrade() -> None:
    with op.batch_alter_table('assignment', schema=None) as batch_op:
        batch_op.add_column(sa.Column('strayed_at', UtcDateTime(), nullable=True))
    op.create_index(
        'ix_assignment_strayed',
        'assignment',
        ['rollout_id'],
        sqlite_where=sa.text(STRAYED),
        postgresql_where=sa.text(STRAYED),
    )


def downgrade() -> None:
    op.drop_index('ix_assignment_strayed', 'assignment')
    with op.batch_alter_table('assignment', schema=None) as batch_op:
        batch_op.drop_column('strayed_at')
