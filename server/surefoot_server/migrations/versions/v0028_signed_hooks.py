"""hooks: whose calls are signed, with which secrets, and the messages that were taken"""

import sqlalchemy as sa
from alembic import op

from surefoot_server.db import UtcDateTime


revision = '0028'
down_revision = '0027'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('hook', schema=None) as batch_op:
        batch_op.add_column(sa.Column('signed', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table('hook_secret',
    sa.Column('id', sa.String(length=16), nullable=False),
    sa.Column('hook_id', sa.String(length=16), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('created_by', sa.String(), nullable=False),
    sa.Column('ends_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['hook_id'], ['hook.id'], name=op.f('fk_hook_secret_hook_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_hook_secret'))
    )
    with op.batch_alter_table('hook_secret', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_hook_secret_hook_id'), ['hook_id'], unique=False)
    op.create_table('hook_message',
    sa.Column('hook_id', sa.String(length=16), nullable=False),
    sa.Column('message_id', sa.String(length=255), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('stopped', sa.JSON(none_as_null=True), nullable=True),
    sa.ForeignKeyConstraint(['hook_id'], ['hook.id'], name=op.f('fk_hook_message_hook_id')),
    sa.PrimaryKeyConstraint('hook_id', 'message_id', name=op.f('pk_hook_message'))
    )
    with op.batch_alter_table('hook_message', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_hook_message_at'), ['at'], unique=False)


def downgrade() -> None:
    op.drop_table('hook_message')
    op.drop_table('hook_secret')
    with op.batch_alter_table('hook', schema=None) as batch_op:
        batch_op.drop_column('signed')
