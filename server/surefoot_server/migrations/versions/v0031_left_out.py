"""rollout members: an index of those that are left out, so that lists count them"""

import sqlalchemy as sa
from alembic import op


revision = '0031'
down_revision = '0030'
branch_labels = None
depends_on = None

NAME, LEFT_OUT = 'ix_rollout_member_left_out', "standing <> 'member'"


def upgrade() -> None:
    where = sa.text(LEFT_OUT)
    op.create_index(
        NAME, 'rollout_member', ['rollout_id', 'standing'], sqlite_where=where, postgresql_where=where
    )


def downgrade() -> None:
    op.drop_index(NAME, 'rollout_member')
