-- Live traffic is read by what was written since the last look, and a gateway's requests in flight are those that it wrote last.
ALTER TABLE gateway_traffic
  -- By the server's clock.
  ADD COLUMN written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- [PlaceInFlight] of src/routing/traffic-report.ts, at the time of writing.
  ADD COLUMN in_flight json NOT NULL DEFAULT '[]',
  ALTER COLUMN report TYPE json;
