-- Of which revision of the budget a gateway last kept a request out; null: a gateway of the version before does not say. A refusal may
-- be told after the budget was raised: it was of the budget as it had been.
ALTER TABLE budget_bucket ADD COLUMN refused_revision integer;
