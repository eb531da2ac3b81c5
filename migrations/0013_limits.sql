-- Buckets of rate limits, and what gateways hold of them. Units leave a bucket before a gateway uses them.

-- One for each part of a limit that requests count in (its `per`), and for each unit that it bounds. A bucket that is not here is full.
CREATE TABLE limit_bucket (
  limit_id  text COLLATE "C" NOT NULL,
  -- The ids of the limit's dimensions, with spaces between; empty: there is one bucket.
  bucket    text COLLATE "C" NOT NULL,
  unit      text COLLATE "C" NOT NULL CHECK (unit IN ('REQUESTS', 'TOKENS', 'IN_FLIGHT')),
  -- Units a minute; of IN_FLIGHT 0.
  rate      double precision NOT NULL,
  -- Most units that may be in the bucket and in the hands of gateways together.
  burst     double precision NOT NULL,
  -- Below zero: debt. Of IN_FLIGHT what nobody holds.
  level     double precision NOT NULL,
  filled_at timestamptz NOT NULL,
  PRIMARY KEY (limit_id, bucket, unit)
) WITH (fillfactor = 70);

-- What a gateway holds and has not used; of IN_FLIGHT also what it uses. A gateway that is silent loses it when its lease ends.
CREATE TABLE limit_lease (
  limit_id   text COLLATE "C" NOT NULL,
  bucket     text COLLATE "C" NOT NULL,
  unit       text COLLATE "C" NOT NULL,
  gateway_id text COLLATE "C" NOT NULL,
  held       double precision NOT NULL,
  in_use     double precision NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (limit_id, bucket, unit, gateway_id)
) WITH (fillfactor = 70);

-- Requests that a limit refused, or would have refused, by minute; kept for an hour.
CREATE TABLE limit_refusal (
  limit_id     text COLLATE "C" NOT NULL,
  bucket       text COLLATE "C" NOT NULL,
  minute       timestamptz NOT NULL,
  refused      bigint NOT NULL,
  would_refuse bigint NOT NULL,
  PRIMARY KEY (limit_id, bucket, minute)
);
CREATE INDEX limit_refusal_minute ON limit_refusal (minute);

-- One gateway's turn at many buckets, in one statement. `p_asks`: an array of what src/storage/limit/lease.ts describes. The clock is
-- that of the database, read behind the lock of each bucket; `p_now` is for tests.
--
-- Invariant: what is in a bucket and what gateways hold of it never exceed the burst together, and only time fills a bucket. So over
-- any interval of t all gateways use at most `burst + rate * t`, whatever becomes of them. A lease that ended counts as held up to its end.
--
-- Buckets are locked in the order of their keys: gateways that race wait for one another, and cannot wait in a circle.
CREATE FUNCTION limit_lease(p_gateway text, p_asks jsonb, p_lease interval, p_now timestamptz DEFAULT NULL)
RETURNS TABLE (number integer, granted double precision, left_over double precision)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  ask record;
  found_level double precision;
  found_at timestamptz;
  at timestamptz;
  turn_at timestamptz;
  held_before double precision;
  held_by_others double precision;
  ended_at timestamptz;
BEGIN
  FOR ask IN
    SELECT * FROM jsonb_to_recordset(p_asks) AS a (
      number integer, limit_id text, bucket text, unit text, rate double precision, burst double precision,
      held double precision, in_use double precision, idle_ms double precision, returned double precision,
      debt double precision, need double precision, spare double precision, refused bigint, would_refuse bigint
    )
    ORDER BY a.limit_id COLLATE "C", a.bucket COLLATE "C", a.unit COLLATE "C"
  LOOP
    -- The update locks the bucket, and nothing else.
    INSERT INTO limit_bucket AS b (limit_id, bucket, unit, rate, burst, level, filled_at)
    VALUES (ask.limit_id, ask.bucket, ask.unit, ask.rate, ask.burst, ask.burst, coalesce(p_now, clock_timestamp()))
    ON CONFLICT (limit_id, bucket, unit) DO UPDATE SET rate = b.rate
    RETURNING b.level, b.filled_at INTO found_level, found_at;
    at := coalesce(p_now, clock_timestamp());
    SELECT coalesce(sum(l.held), 0),
      coalesce(sum(l.held) FILTER (WHERE l.gateway_id <> p_gateway AND l.expires_at > at), 0),
      max(l.expires_at) FILTER (WHERE l.expires_at <= at)
    INTO held_before, held_by_others, ended_at FROM limit_lease AS l
    WHERE l.limit_id = ask.limit_id AND l.bucket = ask.bucket AND l.unit = ask.unit;
    IF ask.unit = 'IN_FLIGHT' THEN
      found_level := ask.burst - held_by_others - ask.held;
    ELSE
      -- Up to when the last unit was used, or the last lease ended, all that was held took up its room.
      turn_at := least(at, greatest(found_at, ended_at, at - ask.idle_ms * interval '1 millisecond'));
      found_level := least(
        found_level + ask.rate / 60 * greatest(0, extract(epoch FROM turn_at - found_at)),
        greatest(0, ask.burst - held_before));
      found_level := least(
        found_level + ask.rate / 60 * greatest(0, extract(epoch FROM at - turn_at)) + ask.returned - ask.debt,
        greatest(0, ask.burst - held_by_others - ask.held));
    END IF;
    number := ask.number;
    -- What may be wanted is left to others where there is little.
    granted := least(floor(greatest(0, found_level) + 1e-6), ask.need);
    granted := granted + least(floor(greatest(0, found_level - granted) / 2), ask.spare);
    left_over := found_level - granted;
    UPDATE limit_bucket AS b SET rate = ask.rate, burst = ask.burst, level = left_over, filled_at = at
    WHERE b.limit_id = ask.limit_id AND b.bucket = ask.bucket AND b.unit = ask.unit;
    IF ask.held + granted > 0 THEN
      INSERT INTO limit_lease AS l (limit_id, bucket, unit, gateway_id, held, in_use, expires_at)
      VALUES (ask.limit_id, ask.bucket, ask.unit, p_gateway, ask.held + granted, ask.in_use, at + p_lease)
      ON CONFLICT (limit_id, bucket, unit, gateway_id) DO UPDATE
        SET held = excluded.held, in_use = excluded.in_use, expires_at = excluded.expires_at;
    ELSE
      DELETE FROM limit_lease AS l
      WHERE l.limit_id = ask.limit_id AND l.bucket = ask.bucket AND l.unit = ask.unit AND l.gateway_id = p_gateway;
    END IF;
    -- What has ended is counted above, once.
    IF ended_at IS NOT NULL THEN
      DELETE FROM limit_lease AS l
      WHERE l.limit_id = ask.limit_id AND l.bucket = ask.bucket AND l.unit = ask.unit
        AND l.gateway_id <> p_gateway AND l.expires_at <= at;
    END IF;
    IF ask.refused > 0 OR ask.would_refuse > 0 THEN
      INSERT INTO limit_refusal AS r (limit_id, bucket, minute, refused, would_refuse)
      VALUES (ask.limit_id, ask.bucket, date_trunc('minute', at), ask.refused, ask.would_refuse)
      ON CONFLICT (limit_id, bucket, minute) DO UPDATE
        SET refused = r.refused + excluded.refused, would_refuse = r.would_refuse + excluded.would_refuse;
    END IF;
    RETURN NEXT;
  END LOOP;
END
$$;
