CREATE TABLE guard_plan (
    kind     TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    digest   TEXT NOT NULL,
    share    BIGINT NOT NULL,
    at_ms    BIGINT NOT NULL,
    made_ms  BIGINT NOT NULL,
    made_by  TEXT NOT NULL,
    ledger_index BIGINT NOT NULL
);
