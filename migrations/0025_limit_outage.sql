-- What gateways used of limits while the database was away is waited for when it is back.

-- Units a minute that the gateway may still fill for itself, because it has not been here since the database was away.
ALTER TABLE limit_lease ADD COLUMN fill_rate double precision NOT NULL DEFAULT 0;

-- One gateway's turn at many buckets, in one statement. `p_asks`: an array of what src/storage/limit/lease.ts describes. The clock is
-- that of the database, read behind the lock of each bucket; `p_now` is for tests.
--
-- Invariant: what is in a bucket and what gateways hold of it never exceed the burst together, and only time fills a bucket. So over
-- any interval of t all gateways use at most `burst + rate * t`, whatever becomes of them. A lease that ended counts as held up to its end.
--
-- Without the database each gateway goes on with its share: at most `burst / n` at once, filled by `rate / n`. The first one that comes back is
-- the first that tells of it; until the others have, or a lease is over, the bucket counts their shares as held by them, and fills only for those
-- that have come back. What is left of a share comes into the bucket when its gateway tells. A gateway that was cut off alone, while others
-- went on here, owes what it used.
--
-- Buckets are locked in the order of their keys: gateways that race wait for one another, and cannot wait in a circle.
CREATE OR REPLACE FUNCTION limit_lease(p_gateway text, p_asks jsonb, p_lease interval, p_now timestamptz DEFAULT NULL)
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
  filled_elsewhere double precision;
  filled_here double precision;
  is_new boolean;
  is_expected boolean;
  lacking double precision;
BEGIN
  FOR ask IN
    SELECT * FROM jsonb_to_recordset(p_asks) AS a (
      number integer, limit_id text, bucket text, unit text, rate double precision, burst double precision,
      held double precision, in_use double precision, idle_ms double precision, returned double precision,
      debt double precision, need double precision, spare double precision, refused bigint, would_refuse bigint,
      solo_ms double precision, solo_gateways integer, solo_left double precision, solo_lacking double precision
    )
    ORDER BY a.limit_id COLLATE "C", a.bucket COLLATE "C", a.unit COLLATE "C"
  LOOP
    -- The update locks the bucket, and nothing else.
    INSERT INTO limit_bucket AS b (limit_id, bucket, unit, rate, burst, level, filled_at)
    VALUES (ask.limit_id, ask.bucket, ask.unit, ask.rate, ask.burst, ask.burst, coalesce(p_now, clock_timestamp()))
    ON CONFLICT (limit_id, bucket, unit) DO UPDATE SET rate = b.rate
    RETURNING b.level, b.filled_at, b.xmax = 0 INTO found_level, found_at, is_new;
    at := coalesce(p_now, clock_timestamp());
    SELECT coalesce(sum(l.held), 0),
      coalesce(sum(l.held) FILTER (WHERE l.gateway_id <> p_gateway AND l.expires_at > at), 0),
      max(l.expires_at) FILTER (WHERE l.expires_at <= at),
      coalesce(sum(l.fill_rate / 60 * greatest(0, extract(epoch FROM least(at, l.expires_at) - found_at)))
        FILTER (WHERE l.fill_rate > 0), 0),
      coalesce(bool_or(l.fill_rate > 0 AND l.expires_at > at) FILTER (WHERE l.gateway_id = p_gateway), false)
    INTO held_before, held_by_others, ended_at, filled_elsewhere, is_expected FROM limit_lease AS l
    WHERE l.limit_id = ask.limit_id AND l.bucket = ask.bucket AND l.unit = ask.unit;
    lacking := 0;
    -- Nobody was here since it went on alone: the database was away for all, as far as anybody can say.
    IF ask.solo_ms IS NOT NULL AND NOT is_expected
      AND (is_new OR found_at <= at - ask.solo_ms * interval '1 millisecond') THEN
      -- Who goes on alone fills for itself; what it filled up to now comes with what is left of its share.
      filled_elsewhere := ask.rate / 60 * (extract(epoch FROM at - found_at)
        - (extract(epoch FROM at - found_at) - ask.solo_ms / 1000) / ask.solo_gateways);
      is_expected := true;
      -- What was in the bucket before is this gateway's only up to a full share of it.
      lacking := ask.solo_lacking;
      INSERT INTO limit_lease AS l (limit_id, bucket, unit, gateway_id, held, in_use, expires_at, fill_rate)
      SELECT ask.limit_id, ask.bucket, ask.unit, other.id, greatest(1, ask.burst / ask.solo_gateways), 0, at + p_lease,
        ask.rate / ask.solo_gateways
      FROM (
        SELECT g.id FROM gateway AS g WHERE g.id <> p_gateway AND g.role <> 'control'
        ORDER BY g.seen_at DESC LIMIT greatest(0, ask.solo_gateways - 1)
      ) AS other
      ORDER BY other.id COLLATE "C"
      ON CONFLICT (limit_id, bucket, unit, gateway_id) DO UPDATE
        SET held = greatest(l.held, excluded.held), expires_at = excluded.expires_at, fill_rate = excluded.fill_rate;
      SELECT coalesce(sum(l.held), 0) INTO held_by_others FROM limit_lease AS l
      WHERE l.limit_id = ask.limit_id AND l.bucket = ask.bucket AND l.unit = ask.unit
        AND l.gateway_id <> p_gateway AND l.expires_at > at;
    END IF;
    filled_here := ask.rate / 60;
    IF filled_elsewhere > 0 AND at > found_at THEN
      filled_here := greatest(0, filled_here - filled_elsewhere / extract(epoch FROM at - found_at));
    END IF;
    IF ask.unit = 'IN_FLIGHT' THEN
      found_level := ask.burst - held_by_others - ask.held;
    ELSE
      -- Up to when the last unit was used, or the last lease ended, all that was held took up its room.
      turn_at := least(at, greatest(found_at, ended_at, at - ask.idle_ms * interval '1 millisecond'));
      found_level := least(
        found_level + filled_here * greatest(0, extract(epoch FROM turn_at - found_at)),
        greatest(0, ask.burst - held_before));
      found_level := least(
        found_level + filled_here * greatest(0, extract(epoch FROM at - turn_at)) + ask.returned - ask.debt
          + CASE WHEN is_expected THEN coalesce(ask.solo_left, 0) ELSE - coalesce(ask.solo_lacking, 0) END,
        greatest(0, ask.burst - held_by_others - ask.held - lacking));
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
        SET held = excluded.held, in_use = excluded.in_use, expires_at = excluded.expires_at, fill_rate = 0;
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
