BEGIN TRANSACTION;
CREATE TABLE access_token (
	id VARCHAR(16) NOT NULL, 
	name VARCHAR NOT NULL, 
	role VARCHAR NOT NULL, 
	secret_hash VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	created_by VARCHAR NOT NULL, 
	expires_at DATETIME, 
	revoked_at DATETIME, 
	CONSTRAINT pk_access_token PRIMARY KEY (id), 
	CONSTRAINT uq_access_token_name UNIQUE (name)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0004');
CREATE TABLE assignment (
	id VARCHAR(40) NOT NULL, 
	device_id VARCHAR(64) NOT NULL, 
	component VARCHAR(32) NOT NULL, 
	release_id VARCHAR NOT NULL, 
	digest VARCHAR NOT NULL, 
	seq BIGINT NOT NULL, 
	intent VARCHAR NOT NULL, 
	rollout_id VARCHAR, 
	phase INTEGER, 
	state VARCHAR NOT NULL, 
	outcome VARCHAR, 
	outcome_by VARCHAR, 
	reason VARCHAR, 
	message VARCHAR NOT NULL, 
	report JSON, 
	proof JSON, 
	progress FLOAT, 
	previous_release_id VARCHAR, 
	offered_at DATETIME NOT NULL, 
	state_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	open BOOLEAN NOT NULL, 
	wanted BOOLEAN NOT NULL, joint JSON, 
	CONSTRAINT pk_assignment PRIMARY KEY (id), 
	CONSTRAINT fk_assignment_device_id FOREIGN KEY(device_id) REFERENCES device (id), 
	CONSTRAINT fk_assignment_release_id FOREIGN KEY(release_id) REFERENCES release (id)
);
INSERT INTO "assignment" VALUES('a1','cam-1','app','app/1.0','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1769940000000,'update','r1',0,'idle','committed','device',NULL,'',NULL,NULL,NULL,NULL,'2026-02-01 10:00:00.000000','2026-02-01 10:00:00.000000',NULL,0,0,NULL);
CREATE TABLE audit_entry (
	seq INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	actor VARCHAR NOT NULL, 
	action VARCHAR NOT NULL, 
	object VARCHAR NOT NULL, 
	detail JSON NOT NULL, 
	previous VARCHAR NOT NULL, 
	hash VARCHAR NOT NULL, 
	CONSTRAINT pk_audit_entry PRIMARY KEY (seq)
);
CREATE TABLE cohort (
	name VARCHAR(64) NOT NULL, 
	expression VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	created_by VARCHAR NOT NULL, 
	CONSTRAINT pk_cohort PRIMARY KEY (name)
);
INSERT INTO "cohort" VALUES('hanoi','site == ''hanoi''','2026-02-01 10:00:00.000000','ann');
CREATE TABLE console_session (
	secret_hash VARCHAR NOT NULL, 
	token_id VARCHAR NOT NULL, 
	expires_at DATETIME NOT NULL, 
	CONSTRAINT pk_console_session PRIMARY KEY (secret_hash), 
	CONSTRAINT fk_console_session_token_id FOREIGN KEY(token_id) REFERENCES access_token (id)
);
CREATE TABLE dead_letter (
	id INTEGER NOT NULL, 
	device_id VARCHAR(64) NOT NULL, 
	topic VARCHAR(200) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	excerpt BLOB NOT NULL, 
	error VARCHAR NOT NULL, 
	count INTEGER NOT NULL, 
	first_at DATETIME NOT NULL, 
	last_at DATETIME NOT NULL, 
	CONSTRAINT pk_dead_letter PRIMARY KEY (id), 
	CONSTRAINT uq_dead_letter_topic_sha256 UNIQUE (topic, sha256)
);
CREATE TABLE device (
	id VARCHAR(64) NOT NULL, 
	hw VARCHAR NOT NULL, 
	public_key VARCHAR NOT NULL, 
	certificate_serial VARCHAR NOT NULL, 
	attributes JSON NOT NULL, 
	enrolled_at DATETIME NOT NULL, 
	revoked_at DATETIME, 
	last_seen_at DATETIME, 
	hello_at DATETIME, 
	online BOOLEAN NOT NULL, 
	agent VARCHAR NOT NULL, 
	boot_id VARCHAR NOT NULL, 
	clock_source VARCHAR NOT NULL, 
	stream VARCHAR NOT NULL, 
	instance VARCHAR NOT NULL, 
	previous_instance VARCHAR NOT NULL, 
	image_versions JSON NOT NULL, 
	director_versions JSON NOT NULL, 
	halt_epoch BIGINT NOT NULL, 
	svn_floor INTEGER NOT NULL, 
	attention VARCHAR, 
	attention_message VARCHAR NOT NULL, 
	attention_at DATETIME, certificate_expires_at DATETIME, next_public_key VARCHAR DEFAULT '' NOT NULL, next_certificate_serial VARCHAR DEFAULT '' NOT NULL, next_certificate_expires_at DATETIME, attention_reason VARCHAR DEFAULT '' NOT NULL, 
	CONSTRAINT pk_device PRIMARY KEY (id)
);
INSERT INTO "device" VALUES('cam-1','rpi5','PEM','','{"site":"hanoi"}','2026-02-01 10:00:00.000000',NULL,NULL,NULL,1,'','','','s1','','','{}','{}',0,0,NULL,'',NULL,NULL,'','',NULL,'');
INSERT INTO "device" VALUES('cam-2','rpi5','PEM','','{"site":"hanoi"}','2026-02-01 10:00:00.000000',NULL,NULL,NULL,1,'','','','s1','','','{}','{}',0,0,NULL,'',NULL,NULL,'','',NULL,'');
CREATE TABLE device_component (
	device_id VARCHAR(64) NOT NULL, 
	component VARCHAR(32) NOT NULL, 
	slot VARCHAR, 
	release_id VARCHAR, 
	digest VARCHAR, 
	slots JSON NOT NULL, 
	state VARCHAR NOT NULL, 
	assignment_id VARCHAR, 
	seq BIGINT NOT NULL, 
	previous_kept BOOLEAN NOT NULL, 
	updated_at DATETIME NOT NULL, 
	CONSTRAINT pk_device_component PRIMARY KEY (device_id, component), 
	CONSTRAINT fk_device_component_device_id FOREIGN KEY(device_id) REFERENCES device (id)
);
INSERT INTO "device_component" VALUES('cam-1','app','A','app/1.0','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','{}','idle',NULL,0,1,'2026-02-01 10:00:00.000000');
CREATE TABLE device_event (
	id INTEGER NOT NULL, 
	device_id VARCHAR(64) NOT NULL, 
	stream VARCHAR(64) NOT NULL, 
	seq BIGINT NOT NULL, 
	at VARCHAR NOT NULL, 
	received_at DATETIME NOT NULL, 
	boot_id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	component VARCHAR, 
	assignment_id VARCHAR, 
	attempt INTEGER NOT NULL, 
	state VARCHAR, 
	outcome VARCHAR, 
	reason VARCHAR, 
	message VARCHAR NOT NULL, 
	progress FLOAT, 
	proof JSON, 
	report JSON, 
	suspicious VARCHAR, 
	CONSTRAINT pk_device_event PRIMARY KEY (id), 
	CONSTRAINT fk_device_event_device_id FOREIGN KEY(device_id) REFERENCES device (id), 
	CONSTRAINT uq_device_event_device_id_stream_seq UNIQUE (device_id, stream, seq)
);
CREATE TABLE device_request (
	id VARCHAR(40) NOT NULL, 
	device_id VARCHAR(64) NOT NULL, 
	kind VARCHAR NOT NULL, 
	requested_at DATETIME NOT NULL, 
	requested_by VARCHAR NOT NULL, 
	answered_at DATETIME, 
	ok BOOLEAN, 
	text VARCHAR NOT NULL, 
	CONSTRAINT pk_device_request PRIMARY KEY (id), 
	CONSTRAINT fk_device_request_device_id FOREIGN KEY(device_id) REFERENCES device (id)
);
CREATE TABLE device_stream (
	device_id VARCHAR(64) NOT NULL, 
	stream VARCHAR(64) NOT NULL, 
	hello_seq BIGINT NOT NULL, 
	hellos JSON NOT NULL, 
	event_seq BIGINT NOT NULL, 
	batch BIGINT NOT NULL, 
	dropped_samples BIGINT NOT NULL, 
	resync BOOLEAN NOT NULL, 
	CONSTRAINT pk_device_stream PRIMARY KEY (device_id, stream), 
	CONSTRAINT fk_device_stream_device_id FOREIGN KEY(device_id) REFERENCES device (id)
);
INSERT INTO "device_stream" VALUES('cam-1','s1',0,'[]',3,7,0,1);
INSERT INTO "device_stream" VALUES('cam-2','s1',0,'[]',3,7,0,1);
CREATE TABLE device_tag (
	device_id VARCHAR(64) NOT NULL, 
	tag VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_device_tag PRIMARY KEY (device_id, tag), 
	CONSTRAINT fk_device_tag_device_id FOREIGN KEY(device_id) REFERENCES device (id)
);
INSERT INTO "device_tag" VALUES('cam-1','lab');
CREATE TABLE engine_clock (
	id INTEGER NOT NULL, 
	ticked_at DATETIME NOT NULL, 
	CONSTRAINT pk_engine_clock PRIMARY KEY (id)
);
CREATE TABLE enrol_token (
	id VARCHAR(16) NOT NULL, 
	secret_hash VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	created_by VARCHAR NOT NULL, 
	expires_at DATETIME NOT NULL, 
	revoked_at DATETIME, 
	max_uses INTEGER NOT NULL, 
	uses INTEGER NOT NULL, 
	auto_approve BOOLEAN NOT NULL, 
	device_id VARCHAR(64), 
	"replace" BOOLEAN NOT NULL, 
	hw VARCHAR, 
	attributes JSON NOT NULL, 
	tags JSON NOT NULL, 
	CONSTRAINT pk_enrol_token PRIMARY KEY (id)
);
CREATE TABLE "enrolment" (
	device_id VARCHAR(64) NOT NULL, 
	token_id VARCHAR, 
	hw VARCHAR NOT NULL, 
	public_key VARCHAR NOT NULL, 
	fingerprint VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	requested_at DATETIME NOT NULL, 
	decided_at DATETIME, 
	decided_by VARCHAR NOT NULL, 
	way VARCHAR DEFAULT 'token' NOT NULL, 
	CONSTRAINT pk_enrolment PRIMARY KEY (device_id), 
	CONSTRAINT fk_enrolment_token_id FOREIGN KEY(token_id) REFERENCES enrol_token (id)
);
CREATE TABLE factory_ca (
	id VARCHAR(16) NOT NULL, 
	name VARCHAR NOT NULL, 
	pem VARCHAR NOT NULL, 
	auto_approve BOOLEAN NOT NULL, 
	hw VARCHAR, 
	attributes JSON NOT NULL, 
	tags JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	created_by VARCHAR NOT NULL, 
	revoked_at DATETIME, 
	CONSTRAINT pk_factory_ca PRIMARY KEY (id)
);
CREATE TABLE outage (
	id INTEGER NOT NULL, 
	began_at DATETIME NOT NULL, 
	ended_at DATETIME NOT NULL, 
	cause VARCHAR NOT NULL, 
	CONSTRAINT pk_outage PRIMARY KEY (id)
);
CREATE TABLE preauthorised_key (
	device_id VARCHAR(64) NOT NULL, 
	key_sha256 VARCHAR(64) NOT NULL, 
	hw VARCHAR, 
	attributes JSON NOT NULL, 
	tags JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	created_by VARCHAR NOT NULL, 
	used_at DATETIME, 
	CONSTRAINT pk_preauthorised_key PRIMARY KEY (device_id)
);
CREATE TABLE release (
	id VARCHAR NOT NULL, 
	component VARCHAR(32) NOT NULL, 
	version VARCHAR(64) NOT NULL, 
	counter BIGINT NOT NULL, 
	svn INTEGER NOT NULL, 
	hw JSON NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	manifest_size BIGINT NOT NULL, 
	total_bytes BIGINT NOT NULL, 
	notes VARCHAR NOT NULL, 
	published_at DATETIME NOT NULL, 
	published_by VARCHAR NOT NULL, 
	CONSTRAINT pk_release PRIMARY KEY (id), 
	CONSTRAINT uq_release_component_version UNIQUE (component, version)
);
INSERT INTO "release" VALUES('app/1.0','app','1.0',100,1,'["rpi5"]','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',100,1000,'','2026-02-01 10:00:00.000000','ann');
CREATE TABLE revoked_certificate (
	serial VARCHAR(40) NOT NULL, 
	device_id VARCHAR(64) NOT NULL, 
	reason VARCHAR NOT NULL, 
	revoked_at DATETIME NOT NULL, 
	expires_at DATETIME NOT NULL, 
	CONSTRAINT pk_revoked_certificate PRIMARY KEY (serial)
);
CREATE TABLE rollout (
	id VARCHAR(16) NOT NULL, 
	number INTEGER NOT NULL, 
	release_id VARCHAR NOT NULL, 
	component VARCHAR(32) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	cohort VARCHAR NOT NULL, 
	expression VARCHAR NOT NULL, 
	policy VARCHAR NOT NULL, 
	salt VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	phase INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	reason VARCHAR NOT NULL, 
	committed_devices VARCHAR NOT NULL, 
	halts_digest BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, 
	created_by VARCHAR NOT NULL, 
	ended_at DATETIME, 
	CONSTRAINT pk_rollout PRIMARY KEY (id), 
	CONSTRAINT fk_rollout_release_id FOREIGN KEY(release_id) REFERENCES release (id), 
	CONSTRAINT uq_rollout_number UNIQUE (number)
);
INSERT INTO "rollout" VALUES('r1',1,'app/1.0','app','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','hanoi','site == ''hanoi''','rollout: {strategy: canary}
phases: [{name: all, percent: 100, bake: 1s}]
gate: {objectives: [{metric: reverted, fail_if_surely_above: 5%, confidence: 0.9}]}
','s','succeeded',1,0,'','',0,'2026-02-01 10:00:00.000000','',NULL);
CREATE TABLE rollout_decision (
	id INTEGER NOT NULL, 
	rollout_id VARCHAR(16) NOT NULL, 
	at DATETIME NOT NULL, 
	actor VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	phase INTEGER, 
	device_id VARCHAR(64), 
	reason VARCHAR NOT NULL, 
	detail JSON NOT NULL, 
	CONSTRAINT pk_rollout_decision PRIMARY KEY (id), 
	CONSTRAINT fk_rollout_decision_rollout_id FOREIGN KEY(rollout_id) REFERENCES rollout (id)
);
CREATE TABLE rollout_member (
	rollout_id VARCHAR(16) NOT NULL, 
	device_id VARCHAR(64) NOT NULL, 
	standing VARCHAR NOT NULL, 
	phase INTEGER, 
	hw VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	assignment_id VARCHAR, 
	revert_assignment_id VARCHAR, 
	CONSTRAINT pk_rollout_member PRIMARY KEY (rollout_id, device_id), 
	CONSTRAINT fk_rollout_member_device_id FOREIGN KEY(device_id) REFERENCES device (id), 
	CONSTRAINT fk_rollout_member_rollout_id FOREIGN KEY(rollout_id) REFERENCES rollout (id)
);
INSERT INTO "rollout_member" VALUES('r1','cam-1','member',0,'rpi5','','a1',NULL);
CREATE TABLE rollout_phase (
	rollout_id VARCHAR(16) NOT NULL, 
	"index" INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	selector VARCHAR NOT NULL, 
	bake_s FLOAT NOT NULL, 
	members INTEGER NOT NULL, 
	state VARCHAR NOT NULL, 
	waiting_since DATETIME, 
	baking_at DATETIME, 
	ended_at DATETIME, 
	verdict VARCHAR, 
	evidence JSON NOT NULL, 
	reason VARCHAR NOT NULL, 
	acknowledged JSON NOT NULL, 
	CONSTRAINT pk_rollout_phase PRIMARY KEY (rollout_id, "index"), 
	CONSTRAINT fk_rollout_phase_rollout_id FOREIGN KEY(rollout_id) REFERENCES rollout (id)
);
INSERT INTO "rollout_phase" VALUES('r1',0,'all','100%',1.0,2,'passed',NULL,NULL,NULL,NULL,'{}','','{}');
CREATE TABLE telemetry_batch (
	device_id VARCHAR(64) NOT NULL, 
	stream VARCHAR(64) NOT NULL, 
	batch BIGINT NOT NULL, 
	samples INTEGER NOT NULL, 
	received_at DATETIME NOT NULL, 
	CONSTRAINT pk_telemetry_batch PRIMARY KEY (device_id, stream, batch), 
	CONSTRAINT fk_telemetry_batch_device_id FOREIGN KEY(device_id) REFERENCES device (id)
);
INSERT INTO "telemetry_batch" VALUES('cam-1','s1',7,3,'2026-02-01 10:00:00.000000');
CREATE TABLE telemetry_latest (
	device_id VARCHAR(64) NOT NULL, 
	name VARCHAR(80) NOT NULL, 
	component VARCHAR(32) NOT NULL, 
	at DATETIME NOT NULL, 
	value FLOAT NOT NULL, 
	digest VARCHAR(64), 
	slot VARCHAR(1), 
	CONSTRAINT pk_telemetry_latest PRIMARY KEY (device_id, name, component), 
	CONSTRAINT fk_telemetry_latest_device_id FOREIGN KEY(device_id) REFERENCES device (id)
);
INSERT INTO "telemetry_latest" VALUES('cam-1','camera_fps','app','2026-02-01 10:00:20.250000',23.0,NULL,NULL);
CREATE TABLE telemetry_sample (
	id INTEGER NOT NULL, 
	device_id VARCHAR(64) NOT NULL, 
	name VARCHAR(80) NOT NULL, 
	at DATETIME NOT NULL, 
	device_at VARCHAR(40) NOT NULL, 
	value FLOAT NOT NULL, 
	component VARCHAR(32), 
	digest VARCHAR(64), 
	slot VARCHAR(1), 
	CONSTRAINT pk_telemetry_sample PRIMARY KEY (id), 
	CONSTRAINT fk_telemetry_sample_device_id FOREIGN KEY(device_id) REFERENCES device (id)
);
INSERT INTO "telemetry_sample" VALUES(1,'cam-1','camera_fps','2026-02-01 10:00:00.250000','2026-02-01T10:00:00Z',25.0,'app','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','A');
INSERT INTO "telemetry_sample" VALUES(2,'cam-1','camera_fps','2026-02-01 10:00:10.250000','2026-02-01T10:00:10Z',24.0,'app','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','A');
INSERT INTO "telemetry_sample" VALUES(3,'cam-1','camera_fps','2026-02-01 10:00:20.250000','2026-02-01T10:00:20Z',23.0,'app','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','A');
INSERT INTO "telemetry_sample" VALUES(4,'cam-2','camera_fps','2026-02-01 10:00:00.250000','2026-02-01T10:00:00Z',25.0,'app','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','A');
INSERT INTO "telemetry_sample" VALUES(5,'cam-2','camera_fps','2026-02-01 10:00:10.250000','2026-02-01T10:00:10Z',24.0,'app','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','A');
INSERT INTO "telemetry_sample" VALUES(6,'cam-2','camera_fps','2026-02-01 10:00:20.250000','2026-02-01T10:00:20Z',23.0,'app','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','A');
INSERT INTO "telemetry_sample" VALUES(7,'cam-1','node_cpu_ratio','2026-02-01 10:00:20.000000','x',0.5,NULL,NULL,NULL);
CREATE INDEX ix_audit_entry_action ON audit_entry (action);
CREATE INDEX ix_audit_entry_actor ON audit_entry (actor);
CREATE INDEX ix_audit_entry_object ON audit_entry (object);
CREATE INDEX ix_device_hw ON device (hw);
CREATE INDEX ix_outage_ended_at ON outage (ended_at);
CREATE INDEX ix_release_digest ON release (digest);
CREATE INDEX ix_assignment_device_id_component_open ON assignment (device_id, component, open);
CREATE INDEX ix_assignment_open_outcome ON assignment (open, outcome);
CREATE INDEX ix_assignment_release_id ON assignment (release_id);
CREATE INDEX ix_assignment_rollout_id_phase ON assignment (rollout_id, phase);
CREATE INDEX ix_console_session_token_id ON console_session (token_id);
CREATE INDEX ix_device_component_release_id ON device_component (release_id);
CREATE INDEX ix_device_event_assignment_id ON device_event (assignment_id);
CREATE INDEX ix_device_event_received_at ON device_event (received_at);
CREATE INDEX ix_device_request_device_id ON device_request (device_id);
CREATE INDEX ix_device_tag_tag ON device_tag (tag);
CREATE INDEX ix_rollout_digest ON rollout (digest);
CREATE INDEX ix_rollout_halts_digest ON rollout (halts_digest);
CREATE INDEX ix_rollout_release_id ON rollout (release_id);
CREATE INDEX ix_rollout_state ON rollout (state);
CREATE INDEX ix_telemetry_batch_received_at ON telemetry_batch (received_at);
CREATE INDEX ix_telemetry_sample_at ON telemetry_sample (at);
CREATE INDEX ix_telemetry_sample_device_id_name_at ON telemetry_sample (device_id, name, at);
CREATE INDEX ix_telemetry_sample_digest_name_at ON telemetry_sample (digest, name, at);
CREATE INDEX ix_rollout_decision_device_id ON rollout_decision (device_id);
CREATE INDEX ix_rollout_decision_rollout_id ON rollout_decision (rollout_id);
CREATE INDEX ix_rollout_member_assignment_id ON rollout_member (assignment_id);
CREATE INDEX ix_rollout_member_device_id ON rollout_member (device_id);
CREATE INDEX ix_dead_letter_device_id ON dead_letter (device_id);
CREATE INDEX ix_revoked_certificate_device_id ON revoked_certificate (device_id);
CREATE INDEX ix_enrolment_state ON enrolment (state);
CREATE INDEX ix_enrolment_token_id ON enrolment (token_id);
COMMIT;
