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
