import type { Selectable } from 'kysely'
import { sql } from 'kysely'
import type { BackendHealthReport } from '../routing/backend-health.ts'
import type { GatewayTable } from './configuration-tables.ts'
import type { Db } from './database.ts'

export type GatewayRow = Selectable<GatewayTable>

/** A gateway that was not seen for this long is not live. */
const liveWithinMs = 3_000

/** What a gateway says of itself. */
export interface GatewayReport {
  readonly id: string
  readonly appliedVersion: number
  readonly appliedAt: Date
  readonly inFlight: number
  readonly pendingUsageRecords: number
  readonly startedAt: Date
  readonly build: string
  readonly health: Readonly<Record<string, BackendHealthReport>>
  readonly endpointInFlight: Readonly<Record<string, number>>
}

/** Writes what a gateway says of itself, and tells those who wait for its version. */
export async function upsertGateway(db: Db, report: GatewayReport): Promise<void> {
  const columns = {
    applied_version: report.appliedVersion,
    applied_at: report.appliedAt,
    in_flight: report.inFlight,
    pending_usage_records: report.pendingUsageRecords,
    build: report.build,
    health: JSON.stringify(report.health),
    endpoint_in_flight: JSON.stringify(report.endpointInFlight),
    seen_at: sql<Date>`clock_timestamp()`,
  }
  await db
    .insertInto('gateway')
    .values({ id: report.id, started_at: report.startedAt, ...columns })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(columns))
    .execute()
}

/** Says that a gateway serves this version now, and wakes up who waits for it. */
export async function updateAppliedVersion(db: Db, id: string, version: number): Promise<void> {
  await sql`
    with applied as (
      update gateway set applied_version = ${version}, applied_at = clock_timestamp(), seen_at = clock_timestamp()
      where id = ${id} and applied_version < ${version}
      returning id
    )
    select pg_notify('signalbox_applied', id) from applied`.execute(db)
}

/** The live gateways, in order of their start. */
export function listLiveGateways(db: Db): Promise<GatewayRow[]> {
  return db
    .selectFrom('gateway')
    .selectAll()
    .where('seen_at', '>', liveSince())
    .orderBy('started_at')
    .orderBy('id')
    .execute()
}

/** Whether every live gateway other than `exceptId` serves this version at least. */
export async function isAppliedElsewhere(db: Db, version: number, exceptId: string): Promise<boolean> {
  const row = await db
    .selectFrom('gateway')
    .select('id')
    .where('seen_at', '>', liveSince())
    .where('applied_version', '<', version)
    .where('id', '!=', exceptId)
    .limit(1)
    .executeTakeFirst()
  return row === undefined
}

/** Forgets a gateway that has stopped, and those that were not seen for a day. */
export async function deleteGateway(db: Db, id: string): Promise<void> {
  await db
    .deleteFrom('gateway')
    .where((eb) => eb.or([eb('id', '=', id), eb('seen_at', '<', sql<Date>`clock_timestamp() - interval '1 day'`)]))
    .execute()
}

function liveSince() {
  return sql<Date>`clock_timestamp() - ${`${liveWithinMs} milliseconds`}::interval`
}
