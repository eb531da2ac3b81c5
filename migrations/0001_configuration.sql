-- The configuration: what operators write and the gateways serve, with its history.
--
-- Ids are text with a type's prefix and a time-sortable body ("rte_0196…"), so that order of id is order of creation and an
-- id says what it is. COLLATE "C" keeps that order the same on every server.

CREATE DOMAIN object_id AS text COLLATE "C" CHECK (VALUE ~ '^[a-z]{3}_[0-9a-z]{26}$');

-- One number orders all changes. The row's lock serialises their commits, so that versions become visible in order.
CREATE TABLE config_version (
  singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  version      bigint NOT NULL,
  committed_at timestamptz NOT NULL
);
INSERT INTO config_version (version, committed_at) VALUES (0, now());

CREATE TABLE config_change (
  version      bigint PRIMARY KEY,
  committed_at timestamptz NOT NULL,
  actor_id     text COLLATE "C" NOT NULL,
  -- Ids of what is compiled again: providers, deployments, routes, users and API keys.
  subject_ids  text[] NOT NULL
);

-- "user" is a reserved word.
CREATE TABLE app_user (
  id         object_id PRIMARY KEY,
  revision   integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  name       text COLLATE "C" NOT NULL CONSTRAINT app_user_name_taken UNIQUE,
  role       text NOT NULL CHECK (role IN ('ADMIN', 'OPERATOR', 'MEMBER')),
  state      text NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'DRAINING', 'DISABLED'))
);

CREATE TABLE api_key (
  id           object_id PRIMARY KEY,
  revision     integer NOT NULL DEFAULT 1,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  name         text NOT NULL,
  owner_id     object_id NOT NULL REFERENCES app_user ON DELETE CASCADE,
  prefix       text NOT NULL,
  -- SHA-256 of the key in lower-case hex; the key itself is not kept.
  hash         text COLLATE "C" NOT NULL UNIQUE,
  scopes       text[] NOT NULL,
  -- Whether it is bound to the routes in api_key_route.
  is_route_bound boolean NOT NULL DEFAULT false,
  revoked_at   timestamptz,
  expires_at   timestamptz,
  last_used_at timestamptz
);
CREATE INDEX api_key_owner ON api_key (owner_id, id);

CREATE TABLE provider (
  id          object_id PRIMARY KEY,
  revision    integer NOT NULL DEFAULT 1,
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  name        text COLLATE "C" NOT NULL CONSTRAINT provider_name_taken UNIQUE,
  description text NOT NULL,
  kind        text NOT NULL,
  base_url    text NOT NULL,
  state       text NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'DRAINING', 'DISABLED')),
  proxy_url   text
);

CREATE TABLE provider_credential (
  id            object_id PRIMARY KEY,
  provider_id   object_id NOT NULL REFERENCES provider ON DELETE CASCADE,
  position      integer NOT NULL,
  hint          text NOT NULL,
  sealed_secret bytea NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  UNIQUE (provider_id, position)
);

CREATE TABLE provider_header (
  id           object_id PRIMARY KEY,
  provider_id  object_id NOT NULL REFERENCES provider ON DELETE CASCADE,
  position     integer NOT NULL,
  name         text NOT NULL,
  sealed_value bytea NOT NULL,
  UNIQUE (provider_id, position)
);

CREATE TABLE provider_model (
  id                       object_id PRIMARY KEY,
  provider_id              object_id NOT NULL REFERENCES provider ON DELETE CASCADE,
  position                 integer NOT NULL,
  upstream_model           text COLLATE "C" NOT NULL,
  categories               text[] NOT NULL,
  input_per_million        numeric,
  output_per_million       numeric,
  cached_input_per_million numeric,
  UNIQUE (provider_id, upstream_model),
  UNIQUE (provider_id, position) DEFERRABLE INITIALLY DEFERRED,
  CHECK ((input_per_million IS NULL) = (output_per_million IS NULL))
);

CREATE TABLE deployment (
  id                       object_id PRIMARY KEY,
  revision                 integer NOT NULL DEFAULT 1,
  created_at               timestamptz NOT NULL DEFAULT now(),
  updated_at               timestamptz NOT NULL DEFAULT now(),
  name                     text COLLATE "C" NOT NULL CONSTRAINT deployment_name_taken UNIQUE,
  description              text NOT NULL,
  engine                   text NOT NULL,
  upstream_model           text NOT NULL,
  categories               text[] NOT NULL,
  input_per_million        numeric,
  output_per_million       numeric,
  cached_input_per_million numeric,
  state                    text NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'DRAINING', 'DISABLED')),
  load_balancing           text NOT NULL,
  -- {path, intervalMs, timeoutMs, unhealthyThreshold, healthyThreshold}
  health_check             jsonb,
  queue_max_waiting        integer NOT NULL,
  queue_max_wait_ms        integer NOT NULL,
  secret_hint              text,
  sealed_secret            bytea,
  CHECK ((input_per_million IS NULL) = (output_per_million IS NULL)),
  CHECK ((secret_hint IS NULL) = (sealed_secret IS NULL))
);

CREATE TABLE deployment_endpoint (
  id            object_id PRIMARY KEY,
  deployment_id object_id NOT NULL REFERENCES deployment ON DELETE CASCADE,
  url           text COLLATE "C" NOT NULL,
  weight        integer NOT NULL CHECK (weight BETWEEN 1 AND 1000),
  max_in_flight integer CHECK (max_in_flight >= 1),
  state         text NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'DRAINING', 'DISABLED')),
  UNIQUE (deployment_id, url)
);

CREATE TABLE route (
  id            object_id PRIMARY KEY,
  revision      integer NOT NULL DEFAULT 1,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now(),
  name          text COLLATE "C" NOT NULL CONSTRAINT route_name_taken UNIQUE,
  description   text NOT NULL,
  categories    text[] NOT NULL,
  state         text NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'DRAINING', 'DISABLED')),
  connect_ms    integer NOT NULL,
  first_byte_ms integer NOT NULL,
  idle_ms       integer NOT NULL,
  total_ms      integer NOT NULL,
  access_policy text NOT NULL CHECK (access_policy IN ('PUBLIC', 'AUTHENTICATED', 'RESTRICTED')),
  -- Null: no fallback. The backends are in route_fallback_backend.
  fallback_triggers     text[],
  fallback_max_attempts integer,
  created_with_id       text COLLATE "C" REFERENCES deployment ON DELETE SET NULL,
  CHECK ((fallback_triggers IS NULL) = (fallback_max_attempts IS NULL))
);
CREATE INDEX route_created_with ON route (created_with_id) WHERE created_with_id IS NOT NULL;

-- RESTRICT here is what makes "in use" certain, whatever happens at the same time.
CREATE TABLE route_target (
  id                object_id PRIMARY KEY,
  route_id          object_id NOT NULL REFERENCES route ON DELETE CASCADE,
  provider_model_id text COLLATE "C" CONSTRAINT route_target_provider_model_in_use REFERENCES provider_model ON DELETE RESTRICT,
  deployment_id     text COLLATE "C" CONSTRAINT route_target_deployment_in_use REFERENCES deployment ON DELETE RESTRICT,
  backend_id        text COLLATE "C" NOT NULL GENERATED ALWAYS AS (coalesce(provider_model_id, deployment_id)) STORED,
  weight            integer NOT NULL CHECK (weight BETWEEN 0 AND 1000000),
  CHECK ((provider_model_id IS NULL) <> (deployment_id IS NULL)),
  UNIQUE (route_id, backend_id)
);
CREATE INDEX route_target_backend ON route_target (backend_id, route_id);

CREATE TABLE route_fallback_backend (
  route_id          object_id NOT NULL REFERENCES route ON DELETE CASCADE,
  position          integer NOT NULL,
  provider_model_id text COLLATE "C" CONSTRAINT route_fallback_provider_model_in_use REFERENCES provider_model ON DELETE RESTRICT,
  deployment_id     text COLLATE "C" CONSTRAINT route_fallback_deployment_in_use REFERENCES deployment ON DELETE RESTRICT,
  backend_id        text COLLATE "C" NOT NULL GENERATED ALWAYS AS (coalesce(provider_model_id, deployment_id)) STORED,
  CHECK ((provider_model_id IS NULL) <> (deployment_id IS NULL)),
  PRIMARY KEY (route_id, position),
  UNIQUE (route_id, backend_id)
);
CREATE INDEX route_fallback_backend_backend ON route_fallback_backend (backend_id, route_id);

CREATE TABLE route_access_user (
  route_id object_id NOT NULL REFERENCES route ON DELETE CASCADE,
  user_id  object_id NOT NULL REFERENCES app_user ON DELETE CASCADE,
  PRIMARY KEY (route_id, user_id)
);
CREATE INDEX route_access_user_user ON route_access_user (user_id);

CREATE TABLE route_access_api_key (
  route_id   object_id NOT NULL REFERENCES route ON DELETE CASCADE,
  api_key_id object_id NOT NULL REFERENCES api_key ON DELETE CASCADE,
  PRIMARY KEY (route_id, api_key_id)
);
CREATE INDEX route_access_api_key_api_key ON route_access_api_key (api_key_id);

CREATE TABLE api_key_route (
  api_key_id object_id NOT NULL REFERENCES api_key ON DELETE CASCADE,
  route_id   object_id NOT NULL REFERENCES route ON DELETE CASCADE,
  PRIMARY KEY (api_key_id, route_id)
);
CREATE INDEX api_key_route_route ON api_key_route (route_id);

-- Every committed state of a route. No foreign keys: history outlives what it is about.
CREATE TABLE route_revision (
  id         object_id PRIMARY KEY,
  route_id   object_id NOT NULL,
  number     integer NOT NULL,
  kind       text NOT NULL,
  actor_id   text COLLATE "C" NOT NULL,
  reason     text,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- {targets: [{targetId, backendId, backendLabel, weight}], fallback: {backends: [{backendId, backendLabel}], triggers,
  -- maxAttempts} | null, timeouts: {…}}
  state      jsonb NOT NULL,
  UNIQUE (route_id, number)
);

CREATE TABLE audit_entry (
  id           object_id PRIMARY KEY,
  at           timestamptz NOT NULL DEFAULT now(),
  actor_id     text COLLATE "C" NOT NULL,
  action       text NOT NULL,
  subject_id   text COLLATE "C" NOT NULL,
  -- [{field, before, after}]: JSON texts, a secret is "***".
  changes      jsonb NOT NULL
);
CREATE INDEX audit_entry_subject ON audit_entry (subject_id, id DESC);

CREATE TABLE idempotency_key (
  actor_id   text COLLATE "C" NOT NULL,
  mutation   text NOT NULL,
  key        text NOT NULL,
  -- SHA-256 of the canonical input: secrets are not kept here.
  input_hash text NOT NULL,
  -- Ids of what was made: {deployment, route}, {provider}, {apiKey} …
  result     jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (actor_id, mutation, key)
);
CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at);

-- One row per process of the data plane; live while seen_at is fresh.
CREATE TABLE gateway (
  id                    text COLLATE "C" PRIMARY KEY,
  applied_version       bigint NOT NULL,
  applied_at            timestamptz NOT NULL,
  in_flight             integer NOT NULL DEFAULT 0,
  pending_usage_records bigint NOT NULL DEFAULT 0,
  started_at            timestamptz NOT NULL,
  seen_at               timestamptz NOT NULL,
  build                 text NOT NULL,
  -- Health of backends, endpoints and credentials by id, as this gateway sees it.
  health                jsonb NOT NULL DEFAULT '{}',
  -- Requests in flight by endpoint id.
  endpoint_in_flight    jsonb NOT NULL DEFAULT '{}'
);
