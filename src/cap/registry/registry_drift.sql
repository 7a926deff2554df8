-- Where what is observed is not what was filed: one row per row of the workflow's `reality`, closed when it
-- agrees again.
CREATE TABLE registry_finding (
    filing_id    TEXT NOT NULL REFERENCES registry_filing (id),
    item         TEXT NOT NULL,
    opened_ms    BIGINT NOT NULL,
    closed_ms    BIGINT NOT NULL,
    seen         TEXT NOT NULL,
    opened_index BIGINT NOT NULL,
    closed_index BIGINT NOT NULL,
    PRIMARY KEY (filing_id, item, opened_ms)
);
CREATE INDEX registry_finding_open ON registry_finding (filing_id, closed_ms);
-- Filings of this installation that are in force: those that can drift.
CREATE INDEX registry_filing_own ON registry_filing (id) WHERE origin = '' AND is_public = 1;
