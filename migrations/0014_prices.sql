-- Prices besides those of input, cached input and output.

-- PricingDetails of src/storage/pricing-columns.ts: decimals are texts in it, so that they stay exact. Null: there are none, as where an
-- earlier version wrote the row.
ALTER TABLE provider_model ADD COLUMN price_details jsonb;
ALTER TABLE deployment ADD COLUMN price_details jsonb;

-- What answers take besides input, cached input and output. Null: nothing was reported.
ALTER TABLE usage_record
  -- Part of the input.
  ADD COLUMN cache_write_tokens bigint,
  ADD COLUMN images             bigint,
  -- Millionths of a second: whole numbers add up exactly.
  ADD COLUMN audio_micros       bigint,
  ADD COLUMN characters         bigint;
ALTER TABLE usage_rollup
  ADD COLUMN cache_write_tokens bigint NOT NULL DEFAULT 0,
  ADD COLUMN images             bigint NOT NULL DEFAULT 0,
  ADD COLUMN audio_micros       bigint NOT NULL DEFAULT 0,
  ADD COLUMN characters         bigint NOT NULL DEFAULT 0;
-- What the answer said of itself. Of levels FULL and SERVICE.
ALTER TABLE usage_dimension ADD COLUMN service_tier text COLLATE "C";

-- Usage as gateways write it down from this version on. The types of 0005 stay for those of the version before. Texts of that version
-- get the members that they lack (src/storage/usage-format.ts).
CREATE TYPE usage_about_2 AS (
  number          integer,
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
  requested_model text,
  status          integer,
  error_code      text,
  provenance      text COLLATE "C",
  tried           integer,
  attempts        text,
  service_tier    text COLLATE "C",
  -- 2: by this last member a text is known as one of this type.
  format          integer
);
CREATE TYPE usage_line_2 AS (
  about           integer,
  id              text COLLATE "C",
  started         double precision,
  lasted          double precision,
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
  requested_model text,
  cache_write     bigint,
  images          bigint,
  audio_micros    bigint,
  characters      bigint,
  format          integer
);
