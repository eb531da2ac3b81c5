-- A version has a token besides its number. After a failover that lost commits, or a restore, the same numbers come again
-- with other tokens, and whoever compares both notices that it serves what never was.
--
-- Triggers set them, so that software of the version before, which knows no tokens, makes them too.
ALTER TABLE config_version ADD COLUMN token text COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text;
ALTER TABLE config_change ADD COLUMN token text COLLATE "C" NOT NULL DEFAULT '';

CREATE FUNCTION new_config_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.token := gen_random_uuid()::text;
  RETURN NEW;
END $$;
CREATE TRIGGER config_version_token BEFORE UPDATE ON config_version
  FOR EACH ROW WHEN (NEW.version <> OLD.version) EXECUTE FUNCTION new_config_token();

CREATE FUNCTION copy_config_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.token = '' THEN
    NEW.token := (SELECT token FROM config_version);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER config_change_token BEFORE INSERT ON config_change
  FOR EACH ROW EXECUTE FUNCTION copy_config_token();

UPDATE config_change SET token = config_version.token FROM config_version WHERE config_version.version = config_change.version;

-- Null: a gateway of the version before, which does not know it.
ALTER TABLE gateway ADD COLUMN applied_token text COLLATE "C";
ALTER TABLE gateway ADD COLUMN host text NOT NULL DEFAULT '';

-- The version that made what a repeated call answers; null: not known.
ALTER TABLE idempotency_key ADD COLUMN config_version bigint;

-- What is one for the whole installation. `cursor_key` signs cursors, so that they outlive a change of the encryption key.
CREATE TABLE installation (
  singleton         boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  cursor_key        bytea NOT NULL DEFAULT sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')),
  -- The encryption key that new secrets are wrapped with; null: nobody has said.
  encryption_key_id text COLLATE "C"
);
INSERT INTO installation DEFAULT VALUES;

-- The encryption keys that a gateway has, and the one that it wraps new secrets with.
ALTER TABLE gateway ADD COLUMN encryption_key_ids text[] NOT NULL DEFAULT '{}';
ALTER TABLE gateway ADD COLUMN sealing_key_id text COLLATE "C";
