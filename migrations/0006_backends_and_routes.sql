-- What a backend serves, what may pass through to it and back, whom it trusts, and how a route keeps requests together.

ALTER TABLE provider
  ADD COLUMN pass_headers          text[] NOT NULL DEFAULT '{}',
  ADD COLUMN pass_response_headers text[] NOT NULL DEFAULT '{}',
  ADD COLUMN add_stream_usage      boolean NOT NULL DEFAULT true,
  -- PEM.
  ADD COLUMN ca_certificates       text;

-- Null: not stated.
ALTER TABLE provider_model
  ADD COLUMN operations     text[],
  ADD COLUMN context_tokens integer CHECK (context_tokens > 0);

ALTER TABLE deployment
  ADD COLUMN operations            text[],
  ADD COLUMN context_tokens        integer CHECK (context_tokens > 0),
  ADD COLUMN pass_headers          text[] NOT NULL DEFAULT '{}',
  ADD COLUMN pass_response_headers text[] NOT NULL DEFAULT '{}',
  ADD COLUMN add_stream_usage      boolean NOT NULL DEFAULT true,
  ADD COLUMN ca_certificates       text;

-- What the endpoints of a deployment said when they were last asked. It is no configuration: it has no revision.
CREATE TABLE deployment_probe (
  deployment_id object_id PRIMARY KEY REFERENCES deployment ON DELETE CASCADE,
  at            timestamptz NOT NULL,
  -- By endpoint.
  answers       jsonb NOT NULL
);

ALTER TABLE route
  ADD COLUMN answer_ms      integer NOT NULL DEFAULT 300000,
  ADD COLUMN keep_alive_ms  integer,
  ADD COLUMN affinity       text NOT NULL DEFAULT 'NONE',
  ADD COLUMN balancing      text NOT NULL DEFAULT 'WEIGHTED',
  ADD COLUMN rewrites_model boolean NOT NULL DEFAULT false;

-- 60 s was the default of both. A plain answer often takes longer, and so does a long prompt to its first event. Other numbers
-- were chosen by an operator, and for plain answers, too.
UPDATE route SET answer_ms = first_byte_ms WHERE first_byte_ms <> 60000;
UPDATE route SET first_byte_ms = 120000 WHERE first_byte_ms = 60000;
UPDATE route SET idle_ms = 300000 WHERE idle_ms = 60000;
