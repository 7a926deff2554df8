CREATE TABLE guard_batch (
    id            BIGINT PRIMARY KEY,
    created_ms    BIGINT NOT NULL,
    events        BIGINT NOT NULL,
    root          BLOB NOT NULL,
    payload       BLOB NOT NULL,
    envelope      BLOB NOT NULL,
    ledger_size   BIGINT NOT NULL,
    ledger_index  BIGINT
);
CREATE INDEX guard_batch_open ON guard_batch (id) WHERE ledger_index IS NULL;
CREATE TABLE guard_event (
    id         TEXT PRIMARY KEY,
    time_ms    BIGINT NOT NULL,
    batch      BIGINT NOT NULL REFERENCES guard_batch (id),
    position   BIGINT NOT NULL,
    salt       BLOB,
    leaf       BLOB NOT NULL,
    verdict    TEXT NOT NULL,
    direction  TEXT NOT NULL,
    categories TEXT NOT NULL
);
CREATE INDEX guard_event_time ON guard_event (time_ms);
CREATE TABLE guard_slot (
    ring_id  BLOB PRIMARY KEY,
    slot     BIGINT NOT NULL,
    last_seq BIGINT NOT NULL
);
CREATE TABLE guard_policy (
    generation   BIGINT PRIMARY KEY,
    name         TEXT NOT NULL,
    digest       TEXT NOT NULL,
    activated_ms BIGINT NOT NULL,
    activated_by TEXT NOT NULL,
    ledger_index BIGINT NOT NULL
);
CREATE TABLE guard_stop (
    id           BIGINT PRIMARY KEY,
    stopped      BIGINT NOT NULL,
    reason       TEXT NOT NULL,
    since_ms     BIGINT NOT NULL,
    changed_by   TEXT NOT NULL,
    ledger_index BIGINT NOT NULL
);
