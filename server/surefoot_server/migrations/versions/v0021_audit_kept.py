"""audit: the database itself refuses to change or remove rows; signed checkpoints"""

import sqlalchemy as sa
from alembic import op


revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None

KEPT = ('audit_entry', 'audit_checkpoint')
WORDS = 'the audit trail is append-only'


def upgrade() -> None:
    op.create_table('audit_checkpoint',
    sa.Column('size', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('head', sa.String(length=64), nullable=False),
    sa.Column('at', sa.String(), nullable=False),
    sa.Column('signature', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('size', name=op.f('pk_audit_checkpoint'))
    )
    if op.get_bind().dialect.name == 'postgresql':
        op.execute(
            "CREATE FUNCTION surefoot_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{WORDS}'; END $$"
        )
        for table in KEPT:
            op.execute(
                f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION surefoot_append_only()"
            )
        return
    for table in KEPT:
        for act in ('update', 'delete'):
            op.execute(
                f"CREATE TRIGGER {table}_kept_{act} BEFORE {act.upper()} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
            )


def downgrade() -> None:
    if op.get_bind().dialect.name == 'postgresql':
        for table in KEPT:
            op.execute(f'DROP TRIGGER {table}_kept ON {table}')
        op.execute('DROP FUNCTION surefoot_append_only()')
    else:
        for table in KEPT:
            for act in ('update', 'delete'):
                op.execute(f'DROP TRIGGER {table}_kept_{act}')
    op.drop_table('audit_checkpoint')
