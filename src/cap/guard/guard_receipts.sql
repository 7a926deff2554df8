CREATE TABLE guard_policy_content (
    digest TEXT PRIMARY KEY,
    packs  TEXT NOT NULL
);
