-- What a process serves: `control` is the API without a gateway, `gateway` the gateway without an API. Software of the version
-- before serves both.
ALTER TABLE gateway
  ADD COLUMN role text COLLATE "C" NOT NULL DEFAULT 'all' CHECK (role IN ('all', 'control', 'gateway'));

-- Makes the partition of `usage_record` for a UTC day, if it is missing. It runs with the rights of the table's owner, so that a gateway
-- whose user may write usage, and make no tables, can store a record of any day. Such a user gets days that records can be of: not
-- more than three ahead, and not more than 400 back.
CREATE FUNCTION create_usage_partition(day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  name text := 'usage_record_' || to_char(day, 'YYYY_MM_DD');
BEGIN
  IF to_regclass(name) IS NOT NULL THEN
    RETURN;
  END IF;
  IF NOT pg_has_role(session_user, current_user, 'MEMBER')
    AND (day > (now() AT TIME ZONE 'UTC')::date + 3 OR day < (now() AT TIME ZONE 'UTC')::date - 400) THEN
    RAISE EXCEPTION 'no usage is kept for %', day USING ERRCODE = 'datetime_field_overflow';
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE usage_record INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
  -- Attached rather than made as a partition: that would wait for every reader of the table.
  EXECUTE format('ALTER TABLE usage_record ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
    day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
END
$$;
-- Names are looked up in the schema of the tables alone, whatever the caller's search path says.
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION create_usage_partition(date) SET search_path = %I, pg_temp', current_schema());
END
$$;
REVOKE ALL ON FUNCTION create_usage_partition(date) FROM PUBLIC;
