import { sql } from 'kysely'
import { formatId } from '../../routing/config/object-id.ts'
import type { RecentAttempts } from '../../routing/problems/problem-facts.ts'
import type { Db } from '../database/db.ts'

/** Newest first; of an installation with more requests they are a sample. */
const maxRequests = 2_000
const windowMs = 300_000
/** The clock of a gateway follows the database's, but not to the millisecond. */
const clockMarginMs = 60_000

/** What each attempt of the last requests was: an answer, a failure of the upstream, or neither. */
const kindOfAttempt = sql`case
  when attempt ->> 'trigger' = 'UPSTREAM_AUTH' or (is_last and error_code = 'upstream_auth_failed') then 'UNAUTHORISED'
  when attempt ->> 'trigger' = 'UPSTREAM_NOT_FOUND' or (is_last and (attempt ->> 'status')::int in (404, 405)) then 'NOT_FOUND'
  when attempt ->> 'trigger' in ('CONNECT_ERROR', 'TIMEOUT', 'RATE_LIMITED', 'SERVER_ERROR') then 'ERROR'
  when is_last and outcome in ('UPSTREAM_ERROR', 'TIMEOUT', 'TRUNCATED') then 'ERROR'
  when is_last and outcome in ('OK', 'OK_BY_FALLBACK') then 'ANSWERED'
  else 'OTHER' end`

const msOf = (instant: ReturnType<typeof sql>) => sql`extract(epoch from ${instant})::float8 * 1000`

function failuresOf(kind: 'ERROR' | 'NOT_FOUND' | 'UNAUTHORISED') {
  const isOfKind = sql`filter (where kind = ${sql.lit(kind)})`
  return sql`json_build_object(
    'count', count(*) ${isOfKind},
    'failedRequests', count(*) filter (where kind = ${sql.lit(kind)} and is_last),
    'firstAtMs', ${msOf(sql`min(ended_at) ${isOfKind}`)},
    'lastAtMs', ${msOf(sql`max(ended_at) ${isOfKind}`)},
    'lastError', (array_agg(left(attempt ->> 'error', 200) order by ended_at desc) ${isOfKind})[1])`
}

/** What the requests of the last five minutes say of each backend, the newest 2,000 of them, by backend id. One statement. */
export async function listRecentAttempts(db: Db, nowMs: number): Promise<ReadonlyMap<string, RecentAttempts>> {
  const firstId = formatId('RequestLog', Math.max(0, nowMs - windowMs - clockMarginMs), new Uint8Array(10))
  const { rows } = await sql<{ backend_id: string; recent: RecentAttempts }>`
    with recent as (
      select id, ended_at, dimension, error_code, attempts from usage_record
      where id >= ${firstId} and ended_at >= clock_timestamp() - ${`${windowMs} milliseconds`}::interval
      order by id desc limit ${maxRequests}
    ), each as (
      select ended_at, error_code, outcome, attempt, place = json_array_length(attempts) as is_last
      from recent join usage_dimension on usage_dimension.key = recent.dimension
        cross join json_array_elements(attempts) with ordinality as made (attempt, place)
    ), judged as (
      select attempt ->> 'backendId' as backend_id, ended_at, is_last, attempt, ${kindOfAttempt} as kind from each
    ), dated as (
      select *, max(ended_at) filter (where kind = 'ERROR') over (partition by backend_id) as last_error_at from judged
    )
    select backend_id, json_build_object(
      'attempts', count(*),
      'answered', count(*) filter (where kind = 'ANSWERED'),
      'lastAnsweredAtMs', ${msOf(sql`max(ended_at) filter (where kind = 'ANSWERED')`)},
      'answeredSinceError', count(*) filter (where kind = 'ANSWERED' and ended_at > last_error_at),
      'errors', ${failuresOf('ERROR')},
      'notFound', ${failuresOf('NOT_FOUND')},
      'unauthorised', ${failuresOf('UNAUTHORISED')}) as recent
    from dated where backend_id is not null
    group by backend_id`.execute(db)
  return new Map(rows.map(({ backend_id, recent }) => [backend_id, recent]))
}
