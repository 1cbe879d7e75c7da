"""packs: what turns a release that devices run into the one they are sent to"""

import sqlalchemy as sa
from alembic import op

from surefoot_server.db import UtcDateTime


revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'pack',
        sa.Column('sha256', sa.String(length=64), nullable=False),
        sa.Column('from_digest', sa.String(length=64), nullable=False),
        sa.Column('to_digest', sa.String(length=64), nullable=False),
        sa.Column('part', sa.Integer(), nullable=False),
        sa.Column('size_bytes', sa.BigInteger(), nullable=False),
        sa.Column('encoding', sa.String(), nullable=False),
        sa.Column('decoded_bytes', sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint('sha256'),
    )
    op.create_index('ix_pack_to_digest', 'pack', ['to_digest', 'from_digest'])
    op.create_table(
        'pack_pair',
        sa.Column('from_digest', sa.String(length=64), nullable=False),
        sa.Column('to_digest', sa.String(length=64), nullable=False),
        sa.Column('state', sa.String(), nullable=False),
        sa.Column('reason', sa.String(), nullable=False),
        sa.Column('lacking_bytes', sa.BigInteger(), nullable=False),
        sa.Column('seconds', sa.Float(), nullable=False),
        sa.Column('peak_bytes', sa.BigInteger(), nullable=False),
        sa.Column('made_at', UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint('from_digest', 'to_digest'),
    )


def downgrade() -> None:
    op.drop_table('pack_pair')
    op.drop_table('pack')
