"""identities: renewal, the three ways to enrol, revoked certificates, dead letters"""

import sqlalchemy as sa
from alembic import op


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('dead_letter',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('topic', sa.String(length=200), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('excerpt', sa.LargeBinary(), nullable=False),
    sa.Column('error', sa.String(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('first_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dead_letter')),
    sa.UniqueConstraint('topic', 'sha256', name=op.f('uq_dead_letter_topic_sha256'))
    )
    with op.batch_alter_table('dead_letter', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_dead_letter_device_id'), ['device_id'], unique=False)

    op.create_table('factory_ca',
    sa.Column('id', sa.String(length=16), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('pem', sa.String(), nullable=False),
    sa.Column('auto_approve', sa.Boolean(), nullable=False),
    sa.Column('hw', sa.String(), nullable=True),
    sa.Column('attributes', sa.JSON(), nullable=False),
    sa.Column('tags', sa.JSON(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.String(), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_factory_ca'))
    )
    op.create_table('preauthorised_key',
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('key_sha256', sa.String(length=64), nullable=False),
    sa.Column('hw', sa.String(), nullable=True),
    sa.Column('attributes', sa.JSON(), nullable=False),
    sa.Column('tags', sa.JSON(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.String(), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('device_id', name=op.f('pk_preauthorised_key'))
    )
    op.create_table('revoked_certificate',
    sa.Column('serial', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('serial', name=op.f('pk_revoked_certificate'))
    )
    with op.batch_alter_table('revoked_certificate', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_revoked_certificate_device_id'), ['device_id'], unique=False)

    with op.batch_alter_table('device', schema=None) as batch_op:
        batch_op.add_column(sa.Column('certificate_expires_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('next_public_key', sa.String(), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('next_certificate_serial', sa.String(), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('next_certificate_expires_at', sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table('enrolment', schema=None) as batch_op:
        batch_op.add_column(sa.Column('way', sa.String(), nullable=False, server_default='token'))
        batch_op.alter_column('token_id',
               existing_type=sa.String(),
               nullable=True)


def downgrade() -> None:
    with op.batch_alter_table('enrolment', schema=None) as batch_op:
        batch_op.alter_column('token_id',
               existing_type=sa.String(),
               nullable=False)
        batch_op.drop_column('way')

    with op.batch_alter_table('device', schema=None) as batch_op:
        batch_op.drop_column('next_certificate_expires_at')
        batch_op.drop_column('next_certificate_serial')
        batch_op.drop_column('next_public_key')
        batch_op.drop_column('certificate_expires_at')

    with op.batch_alter_table('revoked_certificate', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_revoked_certificate_device_id'))

    op.drop_table('revoked_certificate')
    op.drop_table('preauthorised_key')
    op.drop_table('factory_ca')
    with op.batch_alter_table('dead_letter', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_dead_letter_device_id'))

    op.drop_table('dead_letter')
