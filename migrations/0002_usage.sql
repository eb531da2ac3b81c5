-- Usage: one record per request of a client, and sums of them that stay when the records go.
--
-- No foreign keys to the configuration: deleting a route or a key keeps its usage, with the names of that time.

-- What a request was about, once per combination that occurred. Records and sums point to it by `key`, the MD5 of the
-- combination, so that writers who race need no agreement about a number.
CREATE TABLE usage_dimension (
  key             uuid PRIMARY KEY,
  -- Grows: of two names of one object, the one with the greater number is the newer.
  number          bigint GENERATED ALWAYS AS IDENTITY,
  -- Which columns count; the rest is null. See `usageLevels` in src/storage/usage-layers.ts.
  level           text NOT NULL CHECK (level IN ('FULL', 'SERVICE', 'ROUTE', 'ALL')),
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
  api_key_id      text COLLATE "C",
  api_key_name    text,
  user_id         text COLLATE "C",
  user_name       text,
  operation       text COLLATE "C",
  outcome         text COLLATE "C",
  stream          boolean
);
CREATE UNIQUE INDEX usage_dimension_level ON usage_dimension (level, number);

-- One partition per UTC day of `ended_at`: retention drops whole partitions. They are made by src/storage/usage-partitions.ts.
CREATE TABLE usage_record (
  -- `req_` and a ULID: its order is the order of the requests' beginnings.
  id                  text COLLATE "C" NOT NULL,
  started_at          timestamptz NOT NULL,
  ended_at            timestamptz NOT NULL,
  dimension           uuid NOT NULL,
  -- Also in the dimension; here for the indexes.
  route_id            text COLLATE "C",
  api_key_id          text COLLATE "C",
  requested_model     text,
  status              integer NOT NULL,
  error_code          text,
  -- [AttemptRecord] of src/routing/usage-record.ts.
  attempts            json NOT NULL,
  provenance          text COLLATE "C" NOT NULL CHECK (provenance IN ('REPORTED', 'ESTIMATED', 'NONE')),
  input_tokens        bigint,
  cached_input_tokens bigint,
  output_tokens       bigint,
  reasoning_tokens    bigint,
  -- USD.
  cost                numeric,
  first_byte_ms       double precision,
  duration_ms         double precision NOT NULL,
  overhead_ms         double precision NOT NULL,
  PRIMARY KEY (id, ended_at)
) PARTITION BY RANGE (ended_at);
CREATE INDEX usage_record_route ON usage_record (route_id, id);
CREATE INDEX usage_record_api_key ON usage_record (api_key_id, id);
-- Records arrive about as they end: the edges of a range are found without a large index.
CREATE INDEX usage_record_ended_at ON usage_record USING brin (ended_at) WITH (pages_per_range = 16, autosummarize = on);

-- Up to where records were dropped by retention; what ended before is known by its sums only.
CREATE TABLE usage_retention (
  singleton     boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  dropped_until timestamptz NOT NULL
);
INSERT INTO usage_retention (dropped_until) VALUES ('-infinity');

-- Sums by layer (src/storage/usage-layers.ts), bucket and dimension.
CREATE TABLE usage_rollup (
  layer               smallint NOT NULL,
  bucket              timestamptz NOT NULL,
  dimension           uuid NOT NULL,
  requests            bigint NOT NULL,
  attempts            bigint NOT NULL,
  failures            bigint NOT NULL,
  fallbacks           bigint NOT NULL,
  input_tokens        bigint NOT NULL,
  cached_input_tokens bigint NOT NULL,
  output_tokens       bigint NOT NULL,
  reasoning_tokens    bigint NOT NULL,
  estimated_requests  bigint NOT NULL,
  -- USD; null if no request had a price.
  cost                numeric,
  -- Latency sketches: each element is count * 256 + bin (src/routing/latency-sketch.ts). A bin may occur more than once.
  first_byte_sketch   bigint[] NOT NULL,
  duration_sketch     bigint[] NOT NULL,
  PRIMARY KEY (layer, bucket, dimension)
) PARTITION BY LIST (layer);
-- Room on each page, so that the sums of the current bucket are updated in place.
CREATE TABLE usage_rollup_minute_full PARTITION OF usage_rollup FOR VALUES IN (0) WITH (fillfactor = 70);
CREATE TABLE usage_rollup_hour_full PARTITION OF usage_rollup FOR VALUES IN (1) WITH (fillfactor = 70);
CREATE TABLE usage_rollup_day_full PARTITION OF usage_rollup FOR VALUES IN (2) WITH (fillfactor = 70);
CREATE TABLE usage_rollup_month_full PARTITION OF usage_rollup FOR VALUES IN (3) WITH (fillfactor = 70);
CREATE TABLE usage_rollup_hour_service PARTITION OF usage_rollup FOR VALUES IN (4) WITH (fillfactor = 70);
CREATE TABLE usage_rollup_day_service PARTITION OF usage_rollup FOR VALUES IN (5) WITH (fillfactor = 70);
CREATE TABLE usage_rollup_day_route PARTITION OF usage_rollup FOR VALUES IN (6) WITH (fillfactor = 70);
CREATE TABLE usage_rollup_day_all PARTITION OF usage_rollup FOR VALUES IN (7) WITH (fillfactor = 70);
CREATE TABLE usage_rollup_month_route PARTITION OF usage_rollup FOR VALUES IN (8) WITH (fillfactor = 70);

-- The sketch with each bin once.
CREATE FUNCTION usage_sketch_compact(sketch bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(array_agg(bin_count * 256 + bin ORDER BY bin), '{}')
  FROM (
    SELECT entry & 255 AS bin, sum(entry >> 8)::bigint AS bin_count
    FROM unnest(sketch) AS entry
    GROUP BY entry & 255
  ) AS bins
$$;

-- How far each gateway's spool has been shipped: every request that ended there up to `complete_until` is in usage_record.
CREATE TABLE usage_progress (
  spool_id       text COLLATE "C" PRIMARY KEY,
  complete_until timestamptz NOT NULL,
  pending        bigint NOT NULL,
  -- Records that could be kept nowhere, e.g. because the disk was full.
  lost           bigint NOT NULL,
  reported_at    timestamptz NOT NULL
);

-- Live traffic of the last minutes: what a crash may take. One row per gateway, route and second.
CREATE UNLOGGED TABLE gateway_traffic (
  route_id   text COLLATE "C" NOT NULL,
  second     bigint NOT NULL,
  gateway_id text COLLATE "C" NOT NULL,
  -- RouteSecond of src/routing/traffic-report.ts.
  report     jsonb NOT NULL,
  PRIMARY KEY (route_id, second, gateway_id)
) WITH (fillfactor = 70);
CREATE INDEX gateway_traffic_second ON gateway_traffic (second);
