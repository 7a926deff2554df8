-- Keys of content that people look at: which node holds one (by its commitment, private.md), until when.
CREATE TABLE guard_review_key (
    commitment BLOB PRIMARY KEY,
    node       TEXT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE TABLE guard_review (
    id           TEXT PRIMARY KEY,
    time_ms      BIGINT NOT NULL,
    why          TEXT NOT NULL,
    commitment   BLOB,
    sealed       BLOB,
    key          BLOB NOT NULL,
    expires_ms   BIGINT NOT NULL,
    destroyed_ms BIGINT,
    third        BIGINT NOT NULL,
    state        TEXT NOT NULL,
    outcome      TEXT,
    settled_ms   BIGINT,
    ledger_index BIGINT
);
CREATE INDEX guard_review_state ON guard_review (state, id);
CREATE INDEX guard_review_of_key ON guard_review (key);
CREATE TABLE guard_review_decision (
    review       TEXT NOT NULL REFERENCES guard_review (id),
    seat         BIGINT NOT NULL,
    by_id        TEXT NOT NULL,
    verdict      TEXT NOT NULL,
    category     TEXT NOT NULL,
    note         BLOB,
    salt         BLOB NOT NULL,
    time_ms      BIGINT NOT NULL,
    ledger_index BIGINT NOT NULL,
    PRIMARY KEY (review, seat),
    UNIQUE (review, by_id)
);
