CREATE TABLE account_user (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    password   TEXT NOT NULL,
    roles      BIGINT NOT NULL,
    disabled   BIGINT NOT NULL DEFAULT 0,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);

CREATE TABLE account_session (
    digest     BLOB NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account_user (id),
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX account_session_account ON account_session (account_id);
CREATE INDEX account_session_expires ON account_session (expires_ms);

CREATE TABLE account_token (
    id         TEXT NOT NULL PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,
    label      TEXT NOT NULL,
    roles      BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_ms BIGINT NOT NULL,
    revoked_ms BIGINT
);

CREATE TABLE account_failure (
    name_key BLOB NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_ms  BIGINT NOT NULL
);
CREATE INDEX account_failure_last ON account_failure (last_ms);
