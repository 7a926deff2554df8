CREATE TABLE guard_part_stop (
    scope        TEXT NOT NULL,
    name         TEXT NOT NULL,
    stopped      BIGINT NOT NULL,
    reason       TEXT NOT NULL,
    since_ms     BIGINT NOT NULL,
    changed_by   TEXT NOT NULL,
    ledger_index BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
);
CREATE TABLE guard_subject (
    key        BLOB PRIMARY KEY,
    changed_ms BIGINT NOT NULL,
    last_ms    BIGINT NOT NULL,
    session_ms BIGINT NOT NULL,
    window_ms  BIGINT NOT NULL,
    until_ms   BIGINT NOT NULL,
    stopped_ms BIGINT NOT NULL,
    day        BIGINT NOT NULL,
    used_ms    BIGINT NOT NULL,
    requests   BIGINT NOT NULL,
    nights     BIGINT NOT NULL,
    strikes    BIGINT NOT NULL,
    sanction   BIGINT NOT NULL,
    reminders  BIGINT NOT NULL,
    flags      BIGINT NOT NULL
);
CREATE INDEX guard_subject_changed ON guard_subject (changed_ms);
CREATE INDEX guard_subject_last ON guard_subject (last_ms);
CREATE TABLE guard_signal (
    id        TEXT PRIMARY KEY,
    time_ms   BIGINT NOT NULL,
    subject   BLOB NOT NULL,
    kind      TEXT NOT NULL,
    detail    TEXT NOT NULL,
    closed_ms BIGINT,
    closed_by TEXT,
    note      TEXT
);
CREATE INDEX guard_signal_open ON guard_signal (id) WHERE closed_ms IS NULL;
