-- When the last request of a sum ended, in milliseconds since the epoch; 0: nobody wrote it down yet. A report names an object by the
-- last name that it had in the range: names come back, so the order in which they were first used cannot tell.
ALTER TABLE usage_rollup ADD COLUMN last_ended_ms bigint NOT NULL DEFAULT 0;
