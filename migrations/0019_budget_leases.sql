-- What gateways hold of budgets. What was spent is nowhere but in the usage records and their sums.

-- One for each part of a budget in each period: whoever takes a turn at it locks it.
CREATE TABLE budget_bucket (
  budget_id    text COLLATE "C" NOT NULL,
  -- The ids of the budget's dimensions, with spaces between; empty: there is one bucket.
  bucket       text COLLATE "C" NOT NULL,
  period_start timestamptz NOT NULL,
  turn_at      timestamptz NOT NULL,
  PRIMARY KEY (budget_id, bucket, period_start)
) WITH (fillfactor = 70);

-- Billionths of a USD: for requests under way, for records that are not in the database yet, and for the next requests. A gateway that
-- is silent loses it when its lease ends and the records in its spool are in the database, or are waited for no longer.
CREATE TABLE budget_lease (
  budget_id    text COLLATE "C" NOT NULL,
  bucket       text COLLATE "C" NOT NULL,
  period_start timestamptz NOT NULL,
  gateway_id   text COLLATE "C" NOT NULL,
  -- Where the gateway's usage records are.
  spool_id     text COLLATE "C" NOT NULL,
  held         numeric NOT NULL,
  in_use       numeric NOT NULL,
  expires_at   timestamptz NOT NULL,
  PRIMARY KEY (budget_id, bucket, period_start, gateway_id)
) WITH (fillfactor = 70);
CREATE INDEX budget_lease_spool ON budget_lease (spool_id);
