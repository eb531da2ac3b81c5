import { type Selectable, sql } from 'kysely'
import { formatId, typeOfId } from '../../routing/config/object-id.ts'
import type { RequestOutcome } from '../../routing/config/vocabulary.ts'
import type { UsageFilter } from '../../routing/usage/filter.ts'
import type { UsageRecord } from '../../routing/usage/record.ts'
import type { Db } from '../database/db.ts'
import { byId, type Page, type PageRequest, readPage } from '../database/page.ts'
import type { UsageTables } from './tables.ts'
import { recordConditions, usageConditions } from './report/conditions.ts'

export interface RequestLogQuery {
  /** Requests that began then or later. */
  readonly from: Date | null
  /** The end of the range, exclusive. */
  readonly to: Date | null
  readonly filter: UsageFilter
}

/** One page of the requests, newest beginning first. */
export async function listRequestLogs(
  db: Db,
  { from, to, filter }: RequestLogQuery,
  request: PageRequest,
): Promise<Page<UsageRecord>> {
  const query = selectRequests(db)
    .where(usageConditions(filter, 'usage_dimension'))
    .where(recordConditions(filter, 'usage_record'))
    // Ids begin with the time, so the range is a part of the list; and what begins in it ends behind its beginning.
    .$if(from !== null, (some) => some.where('usage_record.id', '>=', firstIdOf(from!)).where('ended_at', '>=', from!))
    .$if(to !== null, (some) => some.where('usage_record.id', '<', firstIdOf(to!)))
    // These two have indexes.
    .$if(hasSome(filter.routeIds), (some) => some.where('usage_record.route_id', 'in', filter.routeIds!))
    .$if(hasSome(filter.apiKeyIds), (some) => some.where('usage_record.api_key_id', 'in', filter.apiKeyIds!))
  const page = await readPage(query, byId('usage_record.id', 'DESC'), request)
  return { ...page, rows: page.rows.map(toUsageRecord) }
}

/** Those of these requests that are kept, by the ids that clients saw; what is no id of a request is left out. */
export async function listRequestLogsByIds(db: Db, ids: readonly string[]): Promise<UsageRecord[]> {
  const known = ids.filter((id) => typeOfId(id) === 'RequestLog')
  if (known.length === 0) return []
  const rows = await selectRequests(db).where('usage_record.id', 'in', known).execute()
  return rows.map(toUsageRecord)
}

/** Of which requests a follower of the log wants to know: ids or names, as they were then. Undefined: any. */
export interface RequestTailFilter {
  readonly route?: string | undefined
  readonly apiKey?: string | undefined
  readonly backend?: string | undefined
  readonly outcome?: RequestOutcome | undefined
}

/** The last requests that ended at `endedFrom` or later, at most `limit`, in the order of their ends. Those of `known` are left out. */
export async function listEndedRequests(
  db: Db,
  filter: RequestTailFilter,
  { endedFrom, known, limit }: { readonly endedFrom: Date; readonly known: readonly string[]; readonly limit: number },
): Promise<UsageRecord[]> {
  const isNamed = (id: 'route_id' | 'api_key_id' | 'backend_id', name: string, value: string) =>
    sql<boolean>`${value} in (${sql.ref(`usage_dimension.${id}`)}, ${sql.ref(name)})`
  const rows = await selectRequests(db)
    .where('ended_at', '>=', endedFrom)
    .$if(known.length > 0, (some) => some.where(sql<boolean>`usage_record.id <> all(${known}::text[])`))
    .$if(filter.route !== undefined, (some) => some.where(isNamed('route_id', 'route_name', filter.route!)))
    .$if(filter.apiKey !== undefined, (some) => some.where(isNamed('api_key_id', 'api_key_name', filter.apiKey!)))
    .$if(filter.backend !== undefined, (some) => some.where(isNamed('backend_id', 'backend_label', filter.backend!)))
    .$if(filter.outcome !== undefined, (some) => some.where('outcome', '=', filter.outcome!))
    .orderBy('ended_at', 'desc')
    .orderBy('usage_record.id', 'desc')
    .limit(limit)
    .execute()
  return rows.toReversed().map(toUsageRecord)
}

function hasSome(values: readonly string[] | null | undefined): boolean {
  return values !== null && values !== undefined && values.length > 0
}

/** No id of this instant or later is smaller. */
function firstIdOf(instant: Date): string {
  return formatId('RequestLog', Math.max(0, instant.getTime()), new Uint8Array(10))
}

function selectRequests(db: Db) {
  return db
    .selectFrom('usage_record')
    .innerJoin('usage_dimension', 'usage_dimension.key', 'usage_record.dimension')
    .select([
      'usage_record.id',
      'started_at',
      'requested_model',
      'status',
      'error_code',
      'attempts',
      'provenance',
      'input_tokens',
      'cached_input_tokens',
      'output_tokens',
      'reasoning_tokens',
      sql<string | null>`cost::text`.as('cost'),
      'first_byte_ms',
      'duration_ms',
      'overhead_ms',
      'cache_write_tokens',
      'images',
      'audio_micros',
      'characters',
      'usage_dimension.route_id',
      'route_name',
      'route_revision',
      'target_id',
      'backend_id',
      'backend_label',
      'provider_id',
      'provider_name',
      'deployment_id',
      'deployment_name',
      'usage_dimension.api_key_id',
      'api_key_name',
      'user_id',
      'user_name',
      'operation',
      'outcome',
      'stream',
      'service_tier',
    ])
}

/** Defaults for members that a stored attempt leaves out, because they were empty or an earlier release stored it. */
const unsaid = { credentialHint: null, error: null, upstreamRequestId: null }

type RequestRow = Omit<Selectable<UsageTables['usage_record']>, 'ended_at' | 'dimension'> &
  Omit<Selectable<UsageTables['usage_dimension']>, 'key' | 'number' | 'level'>

function toUsageRecord(row: RequestRow): UsageRecord {
  return {
    id: row.id,
    startedAtMs: row.started_at.getTime(),
    // Every record has all the columns of its dimension.
    operation: row.operation!,
    outcome: row.outcome!,
    stream: row.stream!,
    requestedModel: row.requested_model,
    routeId: row.route_id,
    routeName: row.route_name,
    routeRevision: row.route_revision,
    apiKeyId: row.api_key_id,
    apiKeyName: row.api_key_name,
    userId: row.user_id,
    userName: row.user_name,
    targetId: row.target_id,
    backendId: row.backend_id,
    backendLabel: row.backend_label,
    providerId: row.provider_id,
    providerName: row.provider_name,
    deploymentId: row.deployment_id,
    deploymentName: row.deployment_name,
    status: row.status,
    errorCode: row.error_code,
    attempts: row.attempts.map((attempt) => ({ ...unsaid, ...attempt })),
    provenance: row.provenance,
    tokens:
      row.input_tokens === null
        ? null
        : {
            inputTokens: row.input_tokens,
            cachedInputTokens: row.cached_input_tokens ?? 0,
            cacheWriteTokens: row.cache_write_tokens ?? 0,
            outputTokens: row.output_tokens ?? 0,
            reasoningTokens: row.reasoning_tokens ?? 0,
          },
    images: row.images,
    audioSeconds: row.audio_micros === null ? null : row.audio_micros / 1_000_000,
    characters: row.characters,
    serviceTier: row.service_tier,
    cost: row.cost,
    firstByteMs: row.first_byte_ms,
    durationMs: row.duration_ms,
    overheadMs: row.overhead_ms,
  }
}
