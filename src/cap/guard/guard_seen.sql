-- What the gateway has seen, by day (days since 1970 in UTC): a few rows per day, for comparing with what was
-- filed. value '*' stands for all after the first few hundred.
CREATE TABLE guard_seen (
    day   BIGINT NOT NULL,
    kind  TEXT NOT NULL,
    value TEXT NOT NULL,
    n     BIGINT NOT NULL,
    PRIMARY KEY (day, kind, value)
);
