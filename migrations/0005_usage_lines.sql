-- Usage as gateways write it down (src/storage/usage-encoder.ts): elements of arrays of these types. The order of the members
-- is that of the text. Spools may hold lines that an earlier version wrote: a change of a type needs a type of another name.
CREATE TYPE usage_about AS (
  -- By which lines refer to it.
  number          integer,
  -- `usage_dimension.key` by level.
  key_full        uuid,
  key_service     uuid,
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
