"""rollout members: an index of those that were offered it and not ordered back"""

import sqlalchemy as sa
from alembic import op


revision = '0033'
down_revision = '0032'
branch_labels = None
depends_on = None

NAME = 'ix_rollout_member_not_sent_back'
NOT_SENT_BACK = "standing = 'member' AND assignment_id IS NOT NULL AND revert_assignment_id IS NULL"


def upgrade() -> None:
    where = sa.text(NOT_SENT_BACK)
    op.create_index(
        NAME, 'rollout_member', ['rollout_id', 'phase', 'place'], sqlite_where=where, postgresql_where=where
    )


def downgrade() -> None:
    op.drop_index(NAME, 'rollout_member')
