-- Limits and budgets. Each is about one subject, and goes with it; no subject: about the whole installation.

CREATE TABLE rate_limit (
  id                  object_id PRIMARY KEY,
  revision            integer NOT NULL DEFAULT 1,
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now(),
  subject_kind        text NOT NULL,
  user_id             text COLLATE "C" REFERENCES app_user ON DELETE CASCADE,
  api_key_id          text COLLATE "C" REFERENCES api_key ON DELETE CASCADE,
  route_id            text COLLATE "C" REFERENCES route ON DELETE CASCADE,
  provider_id         text COLLATE "C" REFERENCES provider ON DELETE CASCADE,
  provider_model_id   text COLLATE "C" REFERENCES provider_model ON DELETE CASCADE,
  deployment_id       text COLLATE "C" REFERENCES deployment ON DELETE CASCADE,
  subject_id          text COLLATE "C" GENERATED ALWAYS AS
    (coalesce(user_id, api_key_id, route_id, provider_id, provider_model_id, deployment_id)) STORED,
  per                 text[] NOT NULL,
  requests_per_minute bigint CHECK (requests_per_minute > 0),
  tokens_per_minute   bigint CHECK (tokens_per_minute > 0),
  in_flight           integer CHECK (in_flight > 0),
  burst               bigint CHECK (burst > 0),
  enforcement         text NOT NULL CHECK (enforcement IN ('ENFORCE', 'OBSERVE')),
  CHECK (num_nonnulls(requests_per_minute, tokens_per_minute, in_flight) > 0),
  CHECK (num_nonnulls(user_id, api_key_id, route_id, provider_id, provider_model_id, deployment_id)
    = CASE subject_kind WHEN 'INSTALLATION' THEN 0 ELSE 1 END)
);
-- Also what the deletion of a subject looks by.
CREATE INDEX rate_limit_subject ON rate_limit (subject_id, id);
CREATE INDEX rate_limit_user ON rate_limit (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX rate_limit_api_key ON rate_limit (api_key_id) WHERE api_key_id IS NOT NULL;
CREATE INDEX rate_limit_route ON rate_limit (route_id) WHERE route_id IS NOT NULL;
CREATE INDEX rate_limit_provider ON rate_limit (provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX rate_limit_provider_model ON rate_limit (provider_model_id) WHERE provider_model_id IS NOT NULL;
CREATE INDEX rate_limit_deployment ON rate_limit (deployment_id) WHERE deployment_id IS NOT NULL;

CREATE TABLE budget (
  id                 object_id PRIMARY KEY,
  revision           integer NOT NULL DEFAULT 1,
  created_at         timestamptz NOT NULL DEFAULT now(),
  updated_at         timestamptz NOT NULL DEFAULT now(),
  subject_kind       text NOT NULL,
  user_id            text COLLATE "C" REFERENCES app_user ON DELETE CASCADE,
  api_key_id         text COLLATE "C" REFERENCES api_key ON DELETE CASCADE,
  route_id           text COLLATE "C" REFERENCES route ON DELETE CASCADE,
  provider_id        text COLLATE "C" REFERENCES provider ON DELETE CASCADE,
  provider_model_id  text COLLATE "C" REFERENCES provider_model ON DELETE CASCADE,
  deployment_id      text COLLATE "C" REFERENCES deployment ON DELETE CASCADE,
  subject_id         text COLLATE "C" GENERATED ALWAYS AS
    (coalesce(user_id, api_key_id, route_id, provider_id, provider_model_id, deployment_id)) STORED,
  per                text[] NOT NULL,
  -- USD.
  amount             numeric NOT NULL CHECK (amount > 0),
  period             text NOT NULL CHECK (period IN ('DAY', 'WEEK', 'MONTH', 'QUARTER', 'YEAR', 'TOTAL')),
  time_zone          text NOT NULL,
  warn_at            double precision[] NOT NULL,
  on_exhausted       text NOT NULL CHECK (on_exhausted IN ('REFUSE', 'SKIP_PRICED', 'NOTIFY')),
  unpriced_reserve   numeric CHECK (unpriced_reserve > 0),
  -- More, for the period that begins at this instant only.
  raise_period_start timestamptz,
  raise_amount       numeric CHECK (raise_amount > 0),
  CHECK ((raise_period_start IS NULL) = (raise_amount IS NULL)),
  CHECK (num_nonnulls(user_id, api_key_id, route_id, provider_id, provider_model_id, deployment_id)
    = CASE subject_kind WHEN 'INSTALLATION' THEN 0 ELSE 1 END)
);
CREATE INDEX budget_subject ON budget (subject_id, id);
CREATE INDEX budget_user ON budget (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX budget_api_key ON budget (api_key_id) WHERE api_key_id IS NOT NULL;
CREATE INDEX budget_route ON budget (route_id) WHERE route_id IS NOT NULL;
CREATE INDEX budget_provider ON budget (provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX budget_provider_model ON budget (provider_model_id) WHERE provider_model_id IS NOT NULL;
CREATE INDEX budget_deployment ON budget (deployment_id) WHERE deployment_id IS NOT NULL;
