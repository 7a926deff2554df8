-- Records: what an installation governs. Every change is a version; the newest one is repeated in
-- registry_record so that reading does not join.
CREATE TABLE registry_record (
    id         TEXT NOT NULL PRIMARY KEY,
    kind       TEXT NOT NULL,
    title      TEXT NOT NULL,
    owner      TEXT NOT NULL,
    version    BIGINT NOT NULL,
    retired    BIGINT NOT NULL,
    data       TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);
CREATE INDEX registry_record_kind ON registry_record (kind, id);

CREATE TABLE registry_version (
    record_id    TEXT NOT NULL REFERENCES registry_record (id),
    version      BIGINT NOT NULL,
    title        TEXT NOT NULL,
    data         TEXT NOT NULL,
    note         TEXT NOT NULL,
    by_id        TEXT NOT NULL,
    time_ms      BIGINT NOT NULL,
    ledger_index BIGINT NOT NULL,
    PRIMARY KEY (record_id, version)
);

-- Relations follow from the fields that name records.
CREATE TABLE registry_relation (
    record_id TEXT NOT NULL REFERENCES registry_record (id),
    relation  TEXT NOT NULL,
    other_id  TEXT NOT NULL REFERENCES registry_record (id),
    PRIMARY KEY (record_id, relation, other_id)
);
CREATE INDEX registry_relation_other ON registry_relation (other_id, relation);

-- Attachments of records and filings; the bytes are in the ledger's payload store.
CREATE TABLE registry_file (
    owner_id   TEXT NOT NULL,
    slot       TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    name       TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size       BIGINT NOT NULL,
    by_id      TEXT NOT NULL,
    time_ms    BIGINT NOT NULL,
    PRIMARY KEY (owner_id, slot, sha256)
);

-- seq numbers filings densely: the place of a filing in the bitmaps of registry_gram.
CREATE TABLE registry_filing (
    id           TEXT NOT NULL PRIMARY KEY,
    seq          BIGINT NOT NULL UNIQUE,
    workflow     TEXT NOT NULL,
    pack         TEXT NOT NULL,
    state        TEXT NOT NULL,
    version      BIGINT NOT NULL,
    subject_id   TEXT NOT NULL,
    title        TEXT NOT NULL,
    organisation TEXT NOT NULL,
    region       TEXT NOT NULL,
    role         TEXT NOT NULL,
    type         TEXT NOT NULL,
    month        TEXT NOT NULL,
    number       TEXT NOT NULL,
    is_public    BIGINT NOT NULL,
    vote_round   BIGINT NOT NULL,
    owner        TEXT NOT NULL,
    origin       TEXT NOT NULL,
    data         TEXT NOT NULL,
    published_data  TEXT NOT NULL,
    actors       TEXT NOT NULL,
    search_text  TEXT NOT NULL,
    created_ms   BIGINT NOT NULL,
    changed_ms   BIGINT NOT NULL,
    published_ms BIGINT NOT NULL
);
CREATE INDEX registry_filing_number ON registry_filing (number);
CREATE INDEX registry_filing_state ON registry_filing (state, seq);

CREATE TABLE registry_event (
    filing_id    TEXT NOT NULL REFERENCES registry_filing (id),
    n            BIGINT NOT NULL,
    step         TEXT NOT NULL,
    from_state   TEXT NOT NULL,
    to_state     TEXT NOT NULL,
    by_id        TEXT NOT NULL,
    note         TEXT NOT NULL,
    snapshot     TEXT NOT NULL,
    ledger_index BIGINT NOT NULL,
    time_ms      BIGINT NOT NULL,
    PRIMARY KEY (filing_id, n)
);

CREATE TABLE registry_vote (
    filing_id TEXT NOT NULL REFERENCES registry_filing (id),
    round     BIGINT NOT NULL,
    by_id     TEXT NOT NULL,
    vote      TEXT NOT NULL,
    note      TEXT NOT NULL,
    time_ms   BIGINT NOT NULL,
    PRIMARY KEY (filing_id, round, by_id)
);

-- due is a date, or empty with the reason when the calendar cannot tell it.
CREATE TABLE registry_deadline (
    filing_id    TEXT NOT NULL REFERENCES registry_filing (id),
    deadline     TEXT NOT NULL,
    started      TEXT NOT NULL,
    due          TEXT NOT NULL,
    remind_on    TEXT NOT NULL,
    reason       TEXT NOT NULL,
    ended_ms     BIGINT NOT NULL,
    reminded_ms  BIGINT NOT NULL,
    escalated_ms BIGINT NOT NULL,
    PRIMARY KEY (filing_id, deadline)
);
CREATE INDEX registry_deadline_open ON registry_deadline (ended_ms, due);

CREATE TABLE registry_notice (
    id        TEXT NOT NULL PRIMARY KEY,
    filing_id TEXT NOT NULL REFERENCES registry_filing (id),
    deadline  TEXT NOT NULL,
    kind      TEXT NOT NULL,
    role      TEXT NOT NULL,
    due       TEXT NOT NULL,
    time_ms   BIGINT NOT NULL
);

CREATE TABLE registry_counter (
    name  TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
CREATE TABLE registry_number (
    number    TEXT NOT NULL PRIMARY KEY,
    filing_id TEXT NOT NULL,
    time_ms   BIGINT NOT NULL
);

-- The search index: for every character, pair of characters and facet the filings that have it, as
-- sets of 16384 (registry_index.h).
CREATE TABLE registry_gram (
    gram  BIGINT NOT NULL,
    chunk BIGINT NOT NULL,
    ids   BLOB NOT NULL,
    PRIMARY KEY (gram, chunk)
);
CREATE TABLE registry_term (
    facet BIGINT NOT NULL,
    value TEXT NOT NULL,
    id    BIGINT NOT NULL,
    PRIMARY KEY (facet, value)
);

-- Installations whose packages are taken, by the key of their ledger.
CREATE TABLE registry_peer (
    origin  TEXT NOT NULL PRIMARY KEY,
    name    TEXT NOT NULL,
    vkey    TEXT NOT NULL,
    role    TEXT NOT NULL,
    time_ms BIGINT NOT NULL
);
CREATE TABLE registry_import (
    sha256    TEXT NOT NULL PRIMARY KEY,
    origin    TEXT NOT NULL,
    filing_id TEXT NOT NULL,
    entry     BIGINT NOT NULL,
    time_ms   BIGINT NOT NULL
);
CREATE INDEX registry_import_filing ON registry_import (filing_id, origin);
-- Packages that were made here: what may be fetched by its digest.
CREATE TABLE registry_export (
    sha256    TEXT NOT NULL PRIMARY KEY,
    filing_id TEXT NOT NULL,
    recipient TEXT NOT NULL,
    time_ms   BIGINT NOT NULL
);
INSERT INTO registry_counter (name, value) VALUES ('lock', 0);
INSERT INTO registry_counter (name, value) VALUES ('seq', 0);
