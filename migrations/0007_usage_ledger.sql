-- What has been shipped is known here, too, and for as long as it may come again: whoever sends a record a second time, after a crash, finds
-- it counted although its partition was dropped meanwhile.

-- What is in the database of the numbered records of each run of a gateway. Written by the statement that inserts them.
CREATE TABLE usage_run (
  run_id     uuid PRIMARY KEY,
  -- Whose files may hold records of it.
  spool_id   text COLLATE "C" NOT NULL,
  shipped    int8multirange NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX usage_run_spool ON usage_run (spool_id);

-- Requests whose records are lost. Of one source and minute the greatest number is right, so that it can be told again.
CREATE TABLE usage_loss (
  source   text COLLATE "C" NOT NULL,
  -- In which they ended, as far as that is known.
  minute   timestamptz NOT NULL,
  spool_id text COLLATE "C" NOT NULL,
  requests bigint NOT NULL,
  PRIMARY KEY (source, minute)
);
CREATE INDEX usage_loss_minute ON usage_loss (minute);
CREATE INDEX usage_loss_spool ON usage_loss (spool_id);

-- Since when nothing waits for it: it was silent for too long, or an operator said so. Null again when it is heard of.
ALTER TABLE usage_progress ADD COLUMN forgotten_at timestamptz;

-- Of the gateway's usage records; null while an earlier version runs.
ALTER TABLE gateway ADD COLUMN spool_id text COLLATE "C";
