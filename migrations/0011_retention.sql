-- Sums by minute go after a while, those by hour, day and month stay. Before this instant, which is the beginning of a UTC day, there are
-- none, or not all.
ALTER TABLE usage_retention ADD COLUMN minutes_dropped_until timestamptz NOT NULL DEFAULT '-infinity';
