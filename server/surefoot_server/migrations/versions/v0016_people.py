"""people: users with roles in scopes, tokens with scopes and an owner, sessions of either; whoever is signed in must do so again"""

import sqlalchemy as sa
from alembic import op


revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('access_user',
    sa.Column('id', sa.String(length=16), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('password_hash', sa.String(), nullable=True),
    sa.Column('subject', sa.String(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.String(), nullable=False),
    sa.Column('password_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_access_user')),
    sa.UniqueConstraint('name', name=op.f('uq_access_user_name')),
    sa.UniqueConstraint('subject', name=op.f('uq_access_user_subject'))
    )
    op.create_table('access_grant',
    sa.Column('user_id', sa.String(length=16), nullable=False),
    sa.Column('scope', sa.String(length=80), nullable=False),
    sa.Column('role', sa.String(length=16), nullable=False),
    sa.Column('granted_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('granted_by', sa.String(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['access_user.id'], name=op.f('fk_access_grant_user_id')),
    sa.PrimaryKeyConstraint('user_id', 'scope', name=op.f('pk_access_grant'))
    )
    with op.batch_alter_table('access_token', schema=None) as batch_op:
        batch_op.add_column(sa.Column('scopes', sa.JSON(), server_default='[]', nullable=False))
        batch_op.add_column(sa.Column('person', sa.String(), server_default='', nullable=False))
    _sessions(user=True)


def downgrade() -> None:
    _sessions(user=False)
    with op.batch_alter_table('access_token', schema=None) as batch_op:
        batch_op.drop_column('person')
        batch_op.drop_column('scopes')
    op.drop_table('access_grant')
    op.drop_table('access_user')


def _sessions(user: bool) -> None:
    with op.batch_alter_table('console_session', schema=None) as batch_op:
        if not user:
            batch_op.drop_index(batch_op.f('ix_console_session_user_id'))
        batch_op.drop_index(batch_op.f('ix_console_session_token_id'))
    op.drop_table('console_session')
    more: list[sa.schema.SchemaItem] = [
        sa.Column('user_id', sa.String(length=16), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['user_id'], ['access_user.id'], name=op.f('fk_console_session_user_id')),
    ]
    op.create_table('console_session',
    sa.Column('secret_hash', sa.String(), nullable=False),
    sa.Column('token_id', sa.String(), nullable=user),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['token_id'], ['access_token.id'], name=op.f('fk_console_session_token_id')),
    sa.PrimaryKeyConstraint('secret_hash', name=op.f('pk_console_session')),
    *(more if user else [])
    )
    with op.batch_alter_table('console_session', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_console_session_token_id'), ['token_id'], unique=False)
        if user:
            batch_op.create_index(batch_op.f('ix_console_session_user_id'), ['user_id'], unique=False)
