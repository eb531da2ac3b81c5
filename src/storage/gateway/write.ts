import type { Selectable } from 'kysely'
import { sql } from 'kysely'
import type { BackendHealthReport } from '../../routing/health/backend-health.ts'
import type { GatewayTable, ProcessRole } from './tables.ts'
import type { VersionId } from '../config/history.ts'
import type { Db, Tx } from '../database/db.ts'

/** `LOST`: it has not reported for three seconds, and may still serve the last configuration that it loaded. */
export type GatewayState = 'LIVE' | 'LOST'

/** The last report of a gateway. */
export type GatewayRow = Selectable<GatewayTable> & {
  readonly state: GatewayState
  /** Whether it serves a version of the database's history, and not one that a failover has lost. */
  readonly follows: boolean
}

/** A gateway that was not seen for this long is lost. */
const liveWithin = sql.lit('3 seconds')
/** A gateway that was not seen for this long is forgotten. */
const rememberedFor = sql.lit('10 minutes')

const stateOf =
  sql<GatewayState>`case when seen_at > clock_timestamp() - interval ${liveWithin} then 'LIVE' else 'LOST' end`.as(
    'state',
  )

/** The report of a gateway about itself. */
export interface GatewayReport {
  readonly id: string
  readonly role: ProcessRole
  readonly applied: VersionId
  readonly appliedAt: Date
  readonly inFlight: number
  readonly pendingUsageRecords: number
  readonly startedAt: Date
  readonly build: string
  readonly host: string
  readonly encryptionKeyIds: readonly string[]
  readonly sealingKeyId: string
  /** Of its usage records. */
  readonly spoolId?: string
  readonly health: Readonly<Record<string, BackendHealthReport>>
  readonly endpointInFlight: Readonly<Record<string, number>>
}

/** Stores the report of a gateway, and notifies processes that wait for its version. */
export async function upsertGateway(db: Db, report: GatewayReport): Promise<void> {
  const columns = {
    role: report.role,
    applied_version: report.applied.version,
    applied_token: report.applied.token,
    applied_at: report.appliedAt,
    in_flight: report.inFlight,
    pending_usage_records: report.pendingUsageRecords,
    build: report.build,
    host: report.host,
    encryption_key_ids: [...report.encryptionKeyIds],
    sealing_key_id: report.sealingKeyId,
    spool_id: report.spoolId ?? null,
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

/** Stores that a gateway serves this version, and notifies processes that wait for it. */
export async function updateApplied(db: Db, id: string, { version, token }: VersionId): Promise<void> {
  await sql`
    with applied as (
      update gateway set applied_version = ${version}, applied_token = ${token}, applied_at = clock_timestamp(),
        seen_at = clock_timestamp()
      where id = ${id} and (applied_version, applied_token) is distinct from (${version}::bigint, ${token}::text)
      returning id
    )
    select pg_notify('signalbox_applied', id) from applied`.execute(db)
}

/** The gateways that may still be serving, in order of their start: those that are live, and those that are lost. */
export async function listGateways(db: Db): Promise<GatewayRow[]> {
  return (await listProcesses(db)).filter(isGateway)
}

/** A version that somebody waits for. */
export interface AnsweredVersion {
  readonly version: number
  /** Null: not known, because an earlier call made the version. */
  readonly token: string | null
}

export interface VersionFacts {
  readonly gateways: readonly GatewayRow[]
  /** Whether the database has this version, and not another one with its number; true of one without a token. */
  readonly isKept: boolean
}

/** Of each version which gateways may be serving, as for `listGateways`, and whether it is still there; in one statement. */
export async function lookAtVersions(db: Db, versions: readonly AnsweredVersion[]): Promise<VersionFacts[]> {
  const tokens = versions.flatMap(({ token }) => token ?? [])
  const { rows } = await sql<(GatewayRow | { readonly id: null }) & { readonly keptTokens: readonly string[] }>`
    select listed.*, array(
      select token from config_change where token = any(${tokens}::text[]) and version = any(${versions.map(({ version }) => version)}::bigint[])
      union select token from config_version
    ) as "keptTokens"
    from (select 1) as one left join (${processesQuery(db)}) as listed on true
    order by started_at, id`.execute(db)
  const knownTokens = new Set(rows[0]!.keptTokens)
  const gateways = rows.filter((row) => row.id !== null)
  return versions.map(({ token }) => ({
    gateways: gateways.filter(isGateway),
    isKept: token === null || knownTokens.has(token),
  }))
}

/** Whether the process serves requests; one of the role `control` has no gateway. */
export function isGateway({ role }: Pick<GatewayRow, 'role'>): boolean {
  return role !== 'control'
}

/** All processes of the installation, also those without a gateway; the rest as for `listGateways`. */
export function listProcesses(db: Db): Promise<GatewayRow[]> {
  return processesQuery(db).orderBy('started_at').orderBy('id').execute()
}

function processesQuery(db: Db) {
  return db
    .selectFrom('gateway')
    .selectAll()
    .select([
      stateOf,
      sql<boolean>`applied_token is null or applied_token = coalesce(
        (select token from config_change where version = applied_version),
        (select token from config_version where version = applied_version), '')`.as('follows'),
    ])
    .where('seen_at', '>', sql<Date>`clock_timestamp() - interval ${rememberedFor}`)
}

/** The state of one gateway, which is locked; undefined if it is not known, or forgotten by its age. */
export async function findGatewayState(tx: Tx, id: string): Promise<GatewayState | undefined> {
  const row = await tx
    .selectFrom('gateway')
    .select(stateOf)
    .where('id', '=', id)
    .where('seen_at', '>', sql<Date>`clock_timestamp() - interval ${rememberedFor}`)
    .forUpdate()
    .executeTakeFirst()
  return row?.state
}

/** Whether a gateway serves at least this version, by its last report. */
export function serves(gateway: Pick<GatewayRow, 'follows' | 'applied_version'>, version: number): boolean {
  return gateway.follows && gateway.applied_version >= version
}

/** Forgets a gateway that has stopped, and those that are forgotten by their age. */
export async function deleteGateway(db: Db, id: string): Promise<void> {
  await db
    .deleteFrom('gateway')
    .where((eb) =>
      eb.or([eb('id', '=', id), eb('seen_at', '<', sql<Date>`clock_timestamp() - interval ${rememberedFor}`)]),
    )
    .execute()
}
