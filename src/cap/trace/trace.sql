-- From a saved answer back to its request. index_key is HMAC-SHA256 under keys/index.key, so
-- the table says nothing about the text to somebody without that key.
CREATE TABLE trace_index (
    index_key BLOB   NOT NULL,
    event_id  TEXT   NOT NULL,
    output    BIGINT NOT NULL,
    PRIMARY KEY (index_key, event_id, output)
);
CREATE INDEX trace_index_event ON trace_index (event_id);

-- Every label text this instance ever put under an answer: what trace takes off a saved
-- answer before looking it up, also after the wording was changed.
CREATE TABLE trace_label (
    label TEXT PRIMARY KEY
);
