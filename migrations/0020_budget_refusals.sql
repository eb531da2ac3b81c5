-- When gateways last kept a request out for lack of money, and since when they have done so without a pause of a minute; null: never.
-- A request is refused if what it may cost does not fit into what is left, which may be more than nothing.
ALTER TABLE budget_bucket
  ADD COLUMN refused_since timestamptz,
  ADD COLUMN refused_at timestamptz;
