"""what releases are made of and what is known of it: documents, parts, vulnerabilities, waivers"""

import sqlalchemy as sa
from alembic import op


revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('release_document',
    sa.Column('release_id', sa.String(), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('by', sa.String(), nullable=False),
    sa.ForeignKeyConstraint(['release_id'], ['release.id'], name=op.f('fk_release_document_release_id')),
    sa.PrimaryKeyConstraint('release_id', 'kind', name=op.f('pk_release_document'))
    )
    op.create_table('bill_part',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('release_id', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('version', sa.String(), nullable=False),
    sa.Column('purl', sa.String(), nullable=False),
    sa.Column('ecosystem', sa.String(length=32), nullable=False),
    sa.Column('package', sa.String(), nullable=False),
    sa.ForeignKeyConstraint(['release_id'], ['release.id'], name=op.f('fk_bill_part_release_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bill_part'))
    )
    with op.batch_alter_table('bill_part', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_bill_part_release_id'), ['release_id'], unique=False)
        batch_op.create_index('ix_bill_part_place', ['ecosystem', 'package'], unique=False)
    op.create_table('known_vulnerability',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('osv_id', sa.String(length=80), nullable=False),
    sa.Column('ecosystem', sa.String(length=32), nullable=False),
    sa.Column('package', sa.String(), nullable=False),
    sa.Column('aliases', sa.JSON(), nullable=False),
    sa.Column('summary', sa.String(), nullable=False),
    sa.Column('severity', sa.String(length=16), nullable=False),
    sa.Column('score', sa.Float(), nullable=True),
    sa.Column('ranges', sa.JSON(), nullable=False),
    sa.Column('versions', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_known_vulnerability'))
    )
    with op.batch_alter_table('known_vulnerability', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_known_vulnerability_osv_id'), ['osv_id'], unique=False)
        batch_op.create_index('ix_known_vulnerability_place', ['ecosystem', 'package'], unique=False)
    op.create_table('advisory_source',
    sa.Column('ecosystem', sa.String(length=32), nullable=False),
    sa.Column('newest', sa.DateTime(timezone=True), nullable=False),
    sa.Column('imported_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('imported_by', sa.String(), nullable=False),
    sa.Column('file', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('ecosystem', name=op.f('pk_advisory_source'))
    )
    op.create_table('finding_waiver',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('release_id', sa.String(), nullable=False),
    sa.Column('about', sa.String(length=80), nullable=False),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('by', sa.String(), nullable=False),
    sa.Column('until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('withdrawn_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('withdrawn_by', sa.String(), nullable=False),
    sa.ForeignKeyConstraint(['release_id'], ['release.id'], name=op.f('fk_finding_waiver_release_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_finding_waiver'))
    )
    with op.batch_alter_table('finding_waiver', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_finding_waiver_release_id'), ['release_id'], unique=False)
    op.create_table('finding_told',
    sa.Column('release_id', sa.String(), nullable=False),
    sa.Column('about', sa.String(length=80), nullable=False),
    sa.ForeignKeyConstraint(['release_id'], ['release.id'], name=op.f('fk_finding_told_release_id')),
    sa.PrimaryKeyConstraint('release_id', 'about', name=op.f('pk_finding_told'))
    )


def downgrade() -> None:
    op.drop_table('finding_told')
    op.drop_table('finding_waiver')
    op.drop_table('advisory_source')
    op.drop_table('known_vulnerability')
    op.drop_table('bill_part')
    op.drop_table('release_document')
