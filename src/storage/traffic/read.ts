import { sql } from 'kysely'
import type { PlaceInFlight, RouteSecond } from '../../routing/traffic/report.ts'
import type { Db } from '../database/db.ts'

/** The traffic of a route that was written within the last milliseconds. */
export interface TrafficQuery {
  readonly routeId: string
  readonly withinMs: number
}

export interface TrafficReading {
  /** The server's time, in milliseconds since the epoch. */
  readonly nowMs: number
  readonly rows: readonly WrittenTraffic[]
}

export interface WrittenTraffic {
  readonly routeId: string
  readonly gatewayId: string
  /** By the server's clock; that in `report` is by the gateway's. */
  readonly second: number
  readonly report: RouteSecond
  readonly inFlight: readonly PlaceInFlight[]
  /** By the server's clock, in milliseconds since the epoch. */
  readonly writtenAtMs: number
}

/** What all gateways but `exceptId` wrote, in one statement. */
export async function readTraffic(db: Db, exceptId: string, wishes: readonly TrafficQuery[]): Promise<TrafficReading> {
  const { rows } = await sql<TrafficReading>`
    select
      extract(epoch from clock_timestamp())::float8 * 1000 as "nowMs",
      coalesce(
        (
          select json_agg(
            json_build_object(
              'routeId', traffic.route_id,
              'gatewayId', traffic.gateway_id,
              'second', traffic.second,
              'report', traffic.report,
              'inFlight', traffic.in_flight,
              'writtenAtMs', extract(epoch from traffic.written_at)::float8 * 1000
            )
          )
          from json_to_recordset(${JSON.stringify(wishes)}::json) as wish("routeId" text, "withinMs" float8)
          join gateway_traffic as traffic on traffic.route_id = wish."routeId"
          where traffic.gateway_id <> ${exceptId}
            and traffic.written_at > clock_timestamp() - wish."withinMs" * interval '1 millisecond'
        ),
        '[]'
      ) as rows`.execute(db)
  return rows[0]!
}

/** The routes of which other gateways than this one wrote within the last milliseconds, at most `limit`. */
export async function listTrafficRoutes(db: Db, exceptId: string, withinMs: number, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('gateway_traffic')
    .select('route_id')
    .distinct()
    .where('gateway_id', '<>', exceptId)
    .where('written_at', '>', sql<Date>`clock_timestamp() - ${withinMs} * interval '1 millisecond'`)
    .limit(limit)
    .execute()
  return rows.map(({ route_id: id }) => id)
}
