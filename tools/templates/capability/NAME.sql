-- Remarks are appended and read, never changed; seq counts from 1 within a subject.
CREATE TABLE @name@_remark (
    subject TEXT   NOT NULL,
    seq     BIGINT NOT NULL,
    text    TEXT   NOT NULL,
    at_ms   BIGINT NOT NULL,
    PRIMARY KEY (subject, seq)
);
