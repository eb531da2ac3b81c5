-- Usage as gateways write it down (src/storage/usage-encoder.ts): elements of arrays of these types. The order of the members
-- is that of the text. Spools may hold lines that an earlier version wrote: a change of a type needs a type of another name.
CREATE TYPE usage_about AS (
  -- By which lines refer to it.
  number          integer,
  -- `usage_dimension.key` by level.
  key_full        uuid,
  key_service     uuid,
  key_caller      uuid,
  key_route       uuid,
  key_all         uuid,
  route_id        text COLLATE "C",
  route_name      text,
  route_revision  integer,
  target_id       text COLLATE "C",
  backend_id      text COLLATE "C",
  backend_label   text,
  provider_id     text COLLATE "C",
  provider_name   text,
  deployment_id   text COLLATE "C",
  deployment_name text,
  operation       text COLLATE "C",
  outcome         text COLLATE "C",
  stream          boolean,
  api_key_id      text COLLATE "C",
  api_key_name    text,
  user_id         text COLLATE "C",
  user_name       text,
  -- Null if it is in the line.
  requested_model text,
  status          integer,
  error_code      text,
  provenance      text COLLATE "C",
  tried           integer,
  -- The JSON of the attempts, up to where the line goes on.
  attempts        text
);
CREATE TYPE usage_line AS (
  about           integer,
  id              text COLLATE "C",
  -- Milliseconds since the epoch.
  started         double precision,
  -- Whole milliseconds from there to the end.
  lasted          double precision,
  -- Microseconds.
  duration        bigint,
  first_byte      bigint,
  overhead        bigint,
  input           bigint,
  cached          bigint,
  output          bigint,
  reasoning       bigint,
  cost            numeric,
  first_byte_sketch numeric,
  duration_sketch numeric,
  attempts        text,
  requested_model text
);

-- A latency sketch (src/routing/latency-sketch.ts) becomes one number, so that sketches are added by adding numbers: twelve
-- decimal digits for each bin, the first bin last.
CREATE FUNCTION usage_sketch_of(entries bigint[]) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(sum((entry >> 8) * ('1e' || 12 * (entry & 255))::numeric), 0) FROM unnest(entries) AS entry
$$;
ALTER TABLE usage_rollup
  ALTER COLUMN first_byte_sketch TYPE numeric USING usage_sketch_of(first_byte_sketch),
  ALTER COLUMN duration_sketch TYPE numeric USING usage_sketch_of(duration_sketch);
DROP FUNCTION usage_sketch_of(bigint[]);
DROP FUNCTION usage_sketch_compact(bigint[]);
-- Like `sum`, but with nothing beside the sum while it grows: `sum` makes room for all digits of each group before it adds
-- anything, and turns counts into numerics and back. With few values in each group that is most of its work.
CREATE AGGREGATE usage_sum(numeric) (
  sfunc = numeric_add, stype = numeric, combinefunc = numeric_add, parallel = safe
);
CREATE AGGREGATE usage_sum(bigint) (
  sfunc = int8pl, stype = bigint, combinefunc = int8pl, parallel = safe
);

-- Sums by caller alone: what each key and user used is asked often, and of all layers by day only the widest knew it.
ALTER TABLE usage_dimension
  DROP CONSTRAINT usage_dimension_level_check,
  ADD CHECK (level IN ('FULL', 'SERVICE', 'CALLER', 'ROUTE', 'ALL'));
CREATE TABLE usage_rollup_day_caller PARTITION OF usage_rollup FOR VALUES IN (9) WITH (fillfactor = 70);
INSERT INTO usage_dimension (key, level, api_key_id, api_key_name, user_id, user_name)
SELECT md5(ROW('CALLER', 0, api_key_id, api_key_name, user_id, user_name)::text)::uuid, 'CALLER', api_key_id, api_key_name,
  user_id, user_name
FROM usage_dimension
WHERE level = 'FULL'
GROUP BY api_key_id, api_key_name, user_id, user_name
ORDER BY max(number);
INSERT INTO usage_rollup
SELECT 9, bucket, md5(ROW('CALLER', 0, api_key_id, api_key_name, user_id, user_name)::text)::uuid AS caller, sum(requests),
  sum(attempts), sum(failures), sum(fallbacks), sum(input_tokens), sum(cached_input_tokens), sum(output_tokens),
  sum(reasoning_tokens), sum(estimated_requests), sum(cost), usage_sum(first_byte_sketch),
  usage_sum(duration_sketch)
FROM usage_rollup JOIN usage_dimension ON usage_dimension.key = usage_rollup.dimension
WHERE layer = 2
GROUP BY bucket, caller;
