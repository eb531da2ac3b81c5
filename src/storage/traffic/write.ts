import { sql } from 'kysely'
import type { PlaceInFlight, RouteSecond } from '../../routing/traffic/report.ts'
import type { Db } from '../database/db.ts'

export interface TrafficRow {
  readonly routeId: string
  /** Of `report`, by the server's clock. */
  readonly second: number
  readonly report: RouteSecond
  readonly inFlight: readonly PlaceInFlight[]
}

/** Replaces what was stored for these seconds of a gateway. Returns the server's time in ms. */
export async function upsertTraffic(db: Db, gatewayId: string, rows: readonly TrafficRow[]): Promise<number> {
  const { rows: answer } = await sql<{ now_ms: number }>`
    with written as (
      insert into gateway_traffic (route_id, second, gateway_id, report, in_flight)
      select "routeId", second, ${gatewayId}, report, "inFlight"
      from json_to_recordset(${JSON.stringify(rows)}::json)
        as traffic("routeId" text, second bigint, report json, "inFlight" json)
      on conflict (route_id, second, gateway_id) do update
        set report = excluded.report, in_flight = excluded.in_flight, written_at = excluded.written_at
    )
    select extract(epoch from clock_timestamp())::float8 * 1000 as now_ms`.execute(db)
  return answer[0]!.now_ms
}

/** The age beyond which no window needs traffic, with a margin for differing clocks. */
const keptS = 330

/** Deletes the traffic of all gateways that is too old to be shown, or, by a wrong clock, will not be for long. */
export async function deleteOldTraffic(db: Db): Promise<void> {
  await sql`
    delete from gateway_traffic
    where second < extract(epoch from clock_timestamp())::bigint - ${sql.lit(keptS)}
       or second > extract(epoch from clock_timestamp())::bigint + ${sql.lit(keptS)}`.execute(db)
}
