"""the first tables"""

import sqlalchemy as sa
from alembic import op


revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('access_token',
    sa.Column('id', sa.String(length=16), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('role', sa.String(), nullable=False),
    sa.Column('secret_hash', sa.String(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.String(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_access_token')),
    sa.UniqueConstraint('name', name=op.f('uq_access_token_name'))
    )
    op.create_table('audit_entry',
    sa.Column('seq', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('actor', sa.String(), nullable=False),
    sa.Column('action', sa.String(), nullable=False),
    sa.Column('object', sa.String(), nullable=False),
    sa.Column('detail', sa.JSON(none_as_null=True), nullable=False),
    sa.Column('previous', sa.String(), nullable=False),
    sa.Column('hash', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('seq', name=op.f('pk_audit_entry'))
    )
    with op.batch_alter_table('audit_entry', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_audit_entry_action'), ['action'], unique=False)
        batch_op.create_index(batch_op.f('ix_audit_entry_actor'), ['actor'], unique=False)
        batch_op.create_index(batch_op.f('ix_audit_entry_object'), ['object'], unique=False)

    op.create_table('cohort',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('expression', sa.String(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_cohort'))
    )
    op.create_table('device',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('hw', sa.String(), nullable=False),
    sa.Column('public_key', sa.String(), nullable=False),
    sa.Column('certificate_serial', sa.String(), nullable=False),
    sa.Column('attributes', sa.JSON(none_as_null=True), nullable=False),
    sa.Column('enrolled_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_seen_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('hello_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('online', sa.Boolean(), nullable=False),
    sa.Column('agent', sa.String(), nullable=False),
    sa.Column('boot_id', sa.String(), nullable=False),
    sa.Column('clock_source', sa.String(), nullable=False),
    sa.Column('stream', sa.String(), nullable=False),
    sa.Column('instance', sa.String(), nullable=False),
    sa.Column('previous_instance', sa.String(), nullable=False),
    sa.Column('image_versions', sa.JSON(none_as_null=True), nullable=False),
    sa.Column('director_versions', sa.JSON(none_as_null=True), nullable=False),
    sa.Column('halt_epoch', sa.BigInteger(), nullable=False),
    sa.Column('svn_floor', sa.Integer(), nullable=False),
    sa.Column('attention', sa.String(), nullable=True),
    sa.Column('attention_message', sa.String(), nullable=False),
    sa.Column('attention_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_device'))
    )
    with op.batch_alter_table('device', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_device_hw'), ['hw'], unique=False)

    op.create_table('engine_clock',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('ticked_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_engine_clock'))
    )
    op.create_table('enrol_token',
    sa.Column('id', sa.String(length=16), nullable=False),
    sa.Column('secret_hash', sa.String(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.String(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('max_uses', sa.Integer(), nullable=False),
    sa.Column('uses', sa.Integer(), nullable=False),
    sa.Column('auto_approve', sa.Boolean(), nullable=False),
    sa.Column('device_id', sa.String(length=64), nullable=True),
    sa.Column('replace', sa.Boolean(), nullable=False),
    sa.Column('hw', sa.String(), nullable=True),
    sa.Column('attributes', sa.JSON(), nullable=False),
    sa.Column('tags', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_enrol_token'))
    )
    op.create_table('outage',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('began_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('cause', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outage'))
    )
    with op.batch_alter_table('outage', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_outage_ended_at'), ['ended_at'], unique=False)

    op.create_table('release',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('component', sa.String(length=32), nullable=False),
    sa.Column('version', sa.String(length=64), nullable=False),
    sa.Column('counter', sa.BigInteger(), nullable=False),
    sa.Column('svn', sa.Integer(), nullable=False),
    sa.Column('hw', sa.JSON(none_as_null=True), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('manifest_size', sa.BigInteger(), nullable=False),
    sa.Column('total_bytes', sa.BigInteger(), nullable=False),
    sa.Column('notes', sa.String(), nullable=False),
    sa.Column('published_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('published_by', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_release')),
    sa.UniqueConstraint('component', 'version', name=op.f('uq_release_component_version'))
    )
    with op.batch_alter_table('release', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_release_digest'), ['digest'], unique=False)

    op.create_table('assignment',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('component', sa.String(length=32), nullable=False),
    sa.Column('release_id', sa.String(), nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('intent', sa.String(), nullable=False),
    sa.Column('rollout_id', sa.String(), nullable=True),
    sa.Column('phase', sa.Integer(), nullable=True),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('outcome', sa.String(), nullable=True),
    sa.Column('outcome_by', sa.String(), nullable=True),
    sa.Column('reason', sa.String(), nullable=True),
    sa.Column('message', sa.String(), nullable=False),
    sa.Column('report', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('proof', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('progress', sa.Float(), nullable=True),
    sa.Column('previous_release_id', sa.String(), nullable=True),
    sa.Column('offered_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('open', sa.Boolean(), nullable=False),
    sa.Column('wanted', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['device.id'], name=op.f('fk_assignment_device_id')),
    sa.ForeignKeyConstraint(['release_id'], ['release.id'], name=op.f('fk_assignment_release_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_assignment'))
    )
    with op.batch_alter_table('assignment', schema=None) as batch_op:
        batch_op.create_index('ix_assignment_device_id_component_open', ['device_id', 'component', 'open'], unique=False)
        batch_op.create_index('ix_assignment_open_outcome', ['open', 'outcome'], unique=False)
        batch_op.create_index(batch_op.f('ix_assignment_release_id'), ['release_id'], unique=False)
        batch_op.create_index('ix_assignment_rollout_id_phase', ['rollout_id', 'phase'], unique=False)

    op.create_table('console_session',
    sa.Column('secret_hash', sa.String(), nullable=False),
    sa.Column('token_id', sa.String(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['token_id'], ['access_token.id'], name=op.f('fk_console_session_token_id')),
    sa.PrimaryKeyConstraint('secret_hash', name=op.f('pk_console_session'))
    )
    with op.batch_alter_table('console_session', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_console_session_token_id'), ['token_id'], unique=False)

    op.create_table('device_component',
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('component', sa.String(length=32), nullable=False),
    sa.Column('slot', sa.String(), nullable=True),
    sa.Column('release_id', sa.String(), nullable=True),
    sa.Column('digest', sa.String(), nullable=True),
    sa.Column('slots', sa.JSON(none_as_null=True), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('assignment_id', sa.String(), nullable=True),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('previous_kept', sa.Boolean(), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['device.id'], name=op.f('fk_device_component_device_id')),
    sa.PrimaryKeyConstraint('device_id', 'component', name=op.f('pk_device_component'))
    )
    with op.batch_alter_table('device_component', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_device_component_release_id'), ['release_id'], unique=False)

    op.create_table('device_event',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('stream', sa.String(length=64), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.String(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('boot_id', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('component', sa.String(), nullable=True),
    sa.Column('assignment_id', sa.String(), nullable=True),
    sa.Column('attempt', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(), nullable=True),
    sa.Column('outcome', sa.String(), nullable=True),
    sa.Column('reason', sa.String(), nullable=True),
    sa.Column('message', sa.String(), nullable=False),
    sa.Column('progress', sa.Float(), nullable=True),
    sa.Column('proof', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('report', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('suspicious', sa.String(), nullable=True),
    sa.ForeignKeyConstraint(['device_id'], ['device.id'], name=op.f('fk_device_event_device_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_device_event')),
    sa.UniqueConstraint('device_id', 'stream', 'seq', name=op.f('uq_device_event_device_id_stream_seq'))
    )
    with op.batch_alter_table('device_event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_device_event_assignment_id'), ['assignment_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_device_event_received_at'), ['received_at'], unique=False)

    op.create_table('device_request',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('requested_by', sa.String(), nullable=False),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ok', sa.Boolean(), nullable=True),
    sa.Column('text', sa.String(), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['device.id'], name=op.f('fk_device_request_device_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_device_request'))
    )
    with op.batch_alter_table('device_request', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_device_request_device_id'), ['device_id'], unique=False)

    op.create_table('device_stream',
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('stream', sa.String(length=64), nullable=False),
    sa.Column('hello_seq', sa.BigInteger(), nullable=False),
    sa.Column('hellos', sa.JSON(none_as_null=True), nullable=False),
    sa.Column('event_seq', sa.BigInteger(), nullable=False),
    sa.Column('batch', sa.BigInteger(), nullable=False),
    sa.Column('dropped_samples', sa.BigInteger(), nullable=False),
    sa.Column('resync', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['device.id'], name=op.f('fk_device_stream_device_id')),
    sa.PrimaryKeyConstraint('device_id', 'stream', name=op.f('pk_device_stream'))
    )
    op.create_table('device_tag',
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('tag', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['device.id'], name=op.f('fk_device_tag_device_id')),
    sa.PrimaryKeyConstraint('device_id', 'tag', name=op.f('pk_device_tag'))
    )
    with op.batch_alter_table('device_tag', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_device_tag_tag'), ['tag'], unique=False)

    op.create_table('enrolment',
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('token_id', sa.String(), nullable=False),
    sa.Column('hw', sa.String(), nullable=False),
    sa.Column('public_key', sa.String(), nullable=False),
    sa.Column('fingerprint', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_by', sa.String(), nullable=False),
    sa.ForeignKeyConstraint(['token_id'], ['enrol_token.id'], name=op.f('fk_enrolment_token_id')),
    sa.PrimaryKeyConstraint('device_id', name=op.f('pk_enrolment'))
    )
    with op.batch_alter_table('enrolment', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_enrolment_state'), ['state'], unique=False)
        batch_op.create_index(batch_op.f('ix_enrolment_token_id'), ['token_id'], unique=False)

    op.create_table('rollout',
    sa.Column('id', sa.String(length=16), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('release_id', sa.String(), nullable=False),
    sa.Column('component', sa.String(length=32), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('cohort', sa.String(), nullable=False),
    sa.Column('expression', sa.String(), nullable=False),
    sa.Column('policy', sa.String(), nullable=False),
    sa.Column('salt', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('phase', sa.Integer(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('committed_devices', sa.String(), nullable=False),
    sa.Column('halts_digest', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.String(), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['release_id'], ['release.id'], name=op.f('fk_rollout_release_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rollout')),
    sa.UniqueConstraint('number', name=op.f('uq_rollout_number'))
    )
    with op.batch_alter_table('rollout', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_rollout_digest'), ['digest'], unique=False)
        batch_op.create_index(batch_op.f('ix_rollout_halts_digest'), ['halts_digest'], unique=False)
        batch_op.create_index(batch_op.f('ix_rollout_release_id'), ['release_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_rollout_state'), ['state'], unique=False)

    op.create_table('telemetry_batch',
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('stream', sa.String(length=64), nullable=False),
    sa.Column('batch', sa.BigInteger(), nullable=False),
    sa.Column('samples', sa.Integer(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['device.id'], name=op.f('fk_telemetry_batch_device_id')),
    sa.PrimaryKeyConstraint('device_id', 'stream', 'batch', name=op.f('pk_telemetry_batch'))
    )
    with op.batch_alter_table('telemetry_batch', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_telemetry_batch_received_at'), ['received_at'], unique=False)

    op.create_table('telemetry_latest',
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('component', sa.String(length=32), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('value', sa.Float(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=True),
    sa.Column('slot', sa.String(length=1), nullable=True),
    sa.ForeignKeyConstraint(['device_id'], ['device.id'], name=op.f('fk_telemetry_latest_device_id')),
    sa.PrimaryKeyConstraint('device_id', 'name', 'component', name=op.f('pk_telemetry_latest'))
    )
    op.create_table('telemetry_sample',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('device_at', sa.String(length=40), nullable=False),
    sa.Column('value', sa.Float(), nullable=False),
    sa.Column('component', sa.String(length=32), nullable=True),
    sa.Column('digest', sa.String(length=64), nullable=True),
    sa.Column('slot', sa.String(length=1), nullable=True),
    sa.ForeignKeyConstraint(['device_id'], ['device.id'], name=op.f('fk_telemetry_sample_device_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_telemetry_sample'))
    )
    with op.batch_alter_table('telemetry_sample', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_telemetry_sample_at'), ['at'], unique=False)
        batch_op.create_index('ix_telemetry_sample_device_id_name_at', ['device_id', 'name', 'at'], unique=False)
        batch_op.create_index('ix_telemetry_sample_digest_name_at', ['digest', 'name', 'at'], unique=False)

    op.create_table('rollout_decision',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('rollout_id', sa.String(length=16), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('actor', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('phase', sa.Integer(), nullable=True),
    sa.Column('device_id', sa.String(length=64), nullable=True),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('detail', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['rollout_id'], ['rollout.id'], name=op.f('fk_rollout_decision_rollout_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rollout_decision'))
    )
    with op.batch_alter_table('rollout_decision', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_rollout_decision_device_id'), ['device_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_rollout_decision_rollout_id'), ['rollout_id'], unique=False)

    op.create_table('rollout_member',
    sa.Column('rollout_id', sa.String(length=16), nullable=False),
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('standing', sa.String(), nullable=False),
    sa.Column('phase', sa.Integer(), nullable=True),
    sa.Column('hw', sa.String(), nullable=False),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('assignment_id', sa.String(), nullable=True),
    sa.Column('revert_assignment_id', sa.String(), nullable=True),
    sa.ForeignKeyConstraint(['device_id'], ['device.id'], name=op.f('fk_rollout_member_device_id')),
    sa.ForeignKeyConstraint(['rollout_id'], ['rollout.id'], name=op.f('fk_rollout_member_rollout_id')),
    sa.PrimaryKeyConstraint('rollout_id', 'device_id', name=op.f('pk_rollout_member'))
    )
    with op.batch_alter_table('rollout_member', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_rollout_member_assignment_id'), ['assignment_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_rollout_member_device_id'), ['device_id'], unique=False)

    op.create_table('rollout_phase',
    sa.Column('rollout_id', sa.String(length=16), nullable=False),
    sa.Column('index', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('selector', sa.String(), nullable=False),
    sa.Column('bake_s', sa.Float(), nullable=False),
    sa.Column('members', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('waiting_since', sa.DateTime(timezone=True), nullable=True),
    sa.Column('baking_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('verdict', sa.String(), nullable=True),
    sa.Column('evidence', sa.JSON(), nullable=False),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('acknowledged', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['rollout_id'], ['rollout.id'], name=op.f('fk_rollout_phase_rollout_id')),
    sa.PrimaryKeyConstraint('rollout_id', 'index', name=op.f('pk_rollout_phase'))
    )


def downgrade() -> None:
    op.drop_table('rollout_phase')
    with op.batch_alter_table('rollout_member', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_rollout_member_device_id'))
        batch_op.drop_index(batch_op.f('ix_rollout_member_assignment_id'))

    op.drop_table('rollout_member')
    with op.batch_alter_table('rollout_decision', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_rollout_decision_rollout_id'))
        batch_op.drop_index(batch_op.f('ix_rollout_decision_device_id'))

    op.drop_table('rollout_decision')
    with op.batch_alter_table('telemetry_sample', schema=None) as batch_op:
        batch_op.drop_index('ix_telemetry_sample_digest_name_at')
        batch_op.drop_index('ix_telemetry_sample_device_id_name_at')
        batch_op.drop_index(batch_op.f('ix_telemetry_sample_at'))

    op.drop_table('telemetry_sample')
    op.drop_table('telemetry_latest')
    with op.batch_alter_table('telemetry_batch', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_telemetry_batch_received_at'))

    op.drop_table('telemetry_batch')
    with op.batch_alter_table('rollout', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_rollout_state'))
        batch_op.drop_index(batch_op.f('ix_rollout_release_id'))
        batch_op.drop_index(batch_op.f('ix_rollout_halts_digest'))
        batch_op.drop_index(batch_op.f('ix_rollout_digest'))

    op.drop_table('rollout')
    with op.batch_alter_table('enrolment', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_enrolment_token_id'))
        batch_op.drop_index(batch_op.f('ix_enrolment_state'))

    op.drop_table('enrolment')
    with op.batch_alter_table('device_tag', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_device_tag_tag'))

    op.drop_table('device_tag')
    op.drop_table('device_stream')
    with op.batch_alter_table('device_request', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_device_request_device_id'))

    op.drop_table('device_request')
    with op.batch_alter_table('device_event', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_device_event_received_at'))
        batch_op.drop_index(batch_op.f('ix_device_event_assignment_id'))

    op.drop_table('device_event')
    with op.batch_alter_table('device_component', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_device_component_release_id'))

    op.drop_table('device_component')
    with op.batch_alter_table('console_session', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_console_session_token_id'))

    op.drop_table('console_session')
    with op.batch_alter_table('assignment', schema=None) as batch_op:
        batch_op.drop_index('ix_assignment_rollout_id_phase')
        batch_op.drop_index(batch_op.f('ix_assignment_release_id'))
        batch_op.drop_index('ix_assignment_open_outcome')
        batch_op.drop_index('ix_assignment_device_id_component_open')

    op.drop_table('assignment')
    with op.batch_alter_table('release', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_release_digest'))

    op.drop_table('release')
    with op.batch_alter_table('outage', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_outage_ended_at'))

    op.drop_table('outage')
    op.drop_table('enrol_token')
    op.drop_table('engine_clock')
    with op.batch_alter_table('device', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_device_hw'))

    op.drop_table('device')
    op.drop_table('cohort')
    with op.batch_alter_table('audit_entry', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_audit_entry_object'))
        batch_op.drop_index(batch_op.f('ix_audit_entry_actor'))
        batch_op.drop_index(batch_op.f('ix_audit_entry_action'))

    op.drop_table('audit_entry')
    op.drop_table('access_token')
