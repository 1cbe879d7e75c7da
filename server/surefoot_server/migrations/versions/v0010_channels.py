"""channels, what is in them, and what was proved there"""

import sqlalchemy as sa
from alembic import op


revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('channel',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('after', sa.String(length=64), nullable=True),
    sa.Column('cohort', sa.String(), nullable=False),
    sa.Column('policy', sa.String(), nullable=False),
    sa.Column('requires', sa.String(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.String(), nullable=False),
    sa.ForeignKeyConstraint(['after'], ['channel.name'], name=op.f('fk_channel_after')),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_channel'))
    )
    op.create_table('channel_entry',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('release_id', sa.String(), nullable=False),
    sa.Column('component', sa.String(length=32), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('by', sa.String(), nullable=False),
    sa.Column('evidence', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['channel'], ['channel.name'], name=op.f('fk_channel_entry_channel')),
    sa.ForeignKeyConstraint(['release_id'], ['release.id'], name=op.f('fk_channel_entry_release_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_channel_entry')),
    sa.UniqueConstraint('channel', 'release_id', name=op.f('uq_channel_entry_channel_release_id'))
    )
    with op.batch_alter_table('channel_entry', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_channel_entry_channel'), ['channel'], unique=False)
        batch_op.create_index(batch_op.f('ix_channel_entry_release_id'), ['release_id'], unique=False)
    op.create_table('channel_evidence',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('release_id', sa.String(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('passed', sa.Boolean(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('by', sa.String(), nullable=False),
    sa.Column('note', sa.String(), nullable=False),
    sa.ForeignKeyConstraint(['channel'], ['channel.name'], name=op.f('fk_channel_evidence_channel')),
    sa.ForeignKeyConstraint(['release_id'], ['release.id'], name=op.f('fk_channel_evidence_release_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_channel_evidence'))
    )
    with op.batch_alter_table('channel_evidence', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_channel_evidence_channel'), ['channel'], unique=False)
        batch_op.create_index(batch_op.f('ix_channel_evidence_release_id'), ['release_id'], unique=False)


def downgrade() -> None:
    op.drop_table('channel_evidence')
    op.drop_table('channel_entry')
    op.drop_table('channel')
