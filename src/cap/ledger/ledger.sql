-- What can be asked of the ledger without reading it: one row for each subject of an entry.
-- Working state, made from the published log and made anew when it does not fit it.
CREATE TABLE ledger_entry (
    idx     BIGINT NOT NULL,
    nth     BIGINT NOT NULL,
    subject TEXT   NOT NULL,
    type    TEXT   NOT NULL,
    time_ms BIGINT NOT NULL,
    PRIMARY KEY (idx, nth)
);
CREATE INDEX ledger_entry_subject ON ledger_entry (subject, idx);
CREATE INDEX ledger_entry_type ON ledger_entry (type, idx);

-- How far the rows go, and the root of the log there: a log that was exchanged is noticed.
CREATE TABLE ledger_indexed (
    one  BIGINT PRIMARY KEY,
    size BIGINT NOT NULL,
    root BLOB   NOT NULL
);
