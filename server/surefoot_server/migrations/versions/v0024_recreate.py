"""devices: what their agents can do; assignments: leave to give up the only release, and when that was done"""

import sqlalchemy as sa
from alembic import op

from surefoot_server.db import UtcDateTime


revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None

VACATED = "vacated_at IS NOT NULL AND outcome IS NOT NULL"


def upgrade() -> None:
    with op.batch_alter_table('device_component', schema=None) as batch_op:
        batch_op.add_column(
            sa.Column('abilities', sa.JSON(none_as_null=True), nullable=False, server_default='[]')
        )
    with op.batch_alter_table('assignment', schema=None) as batch_op:
        batch_op.add_column(sa.Column('recreate', sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column('full', sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column('vacated_at', UtcDateTime(), nullable=True))
    op.create_index(
        'ix_assignment_vacated',
        'assignment',
        ['rollout_id'],
        sqlite_where=sa.text(VACATED),
        postgresql_where=sa.text(VACATED),
    )


def downgrade() -> None:
    op.drop_index('ix_assignment_vacated', 'assignment')
    with op.batch_alter_table('assignment', schema=None) as batch_op:
        for name in ('vacated_at', 'full', 'recreate'):
            batch_op.drop_column(name)
    with op.batch_alter_table('device_component', schema=None) as batch_op:
        batch_op.drop_column('abilities')
