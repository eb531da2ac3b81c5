import { sql } from 'kysely'
import type { Db } from '../database/db.ts'

/** What is left of one part of a rate limit, over all gateways as last reported. */
export interface RateLimitState {
  /** The ids of the limit's dimensions, in their order; `-` where requests had none. Empty: it has no dimensions. */
  readonly ids: readonly string[]
  /** Negative while there is debt; null: not bounded. */
  readonly requestsLeft: number | null
  readonly tokensLeft: number | null
  /** Requests in flight; 0 if they are not bounded. */
  readonly inFlight: number
  readonly refusedLastHour: number
  readonly wouldRefuseLastHour: number
  /** When it is full again; null if it is full. */
  readonly resetsAt: Date | null
}

type StateRow = Omit<RateLimitState, 'ids'> & { readonly bucket: string }

/** The parts of a limit that were used lately, most used first. A part that is not here is full. */
export async function readRateLimitStates(db: Db, limitId: string): Promise<RateLimitState[]> {
  const { rows } = await sql<StateRow>`
    WITH unit AS (
      SELECT b.bucket, b.unit, b.rate, b.burst, held.in_use,
        least(b.level + b.rate / 60 * greatest(0, extract(epoch FROM clock_timestamp() - b.filled_at)),
          b.burst - held.held) + held.held AS level
      FROM limit_bucket AS b, LATERAL (
        SELECT coalesce(sum(l.held), 0) AS held, coalesce(sum(l.in_use), 0) AS in_use FROM limit_lease AS l
        WHERE l.limit_id = b.limit_id AND l.bucket = b.bucket AND l.unit = b.unit AND l.expires_at > clock_timestamp()
      ) AS held
      WHERE b.limit_id = ${limitId}
    ), refusal AS (
      SELECT bucket, sum(refused) AS refused, sum(would_refuse) AS would_refuse FROM limit_refusal
      WHERE limit_id = ${limitId} AND minute > clock_timestamp() - interval '1 hour'
      GROUP BY bucket
    )
    SELECT bucket,
      floor(max(level) FILTER (WHERE unit = 'REQUESTS') + 1e-6)::float8 AS "requestsLeft",
      floor(max(level) FILTER (WHERE unit = 'TOKENS') + 1e-6)::float8 AS "tokensLeft",
      coalesce(max(in_use) FILTER (WHERE unit = 'IN_FLIGHT'), 0)::float8 AS "inFlight",
      coalesce(max(refused), 0)::float8 AS "refusedLastHour",
      coalesce(max(would_refuse), 0)::float8 AS "wouldRefuseLastHour",
      clock_timestamp() + max((burst - level) / nullif(rate, 0) * interval '1 minute') FILTER (WHERE level < burst) AS "resetsAt"
    FROM unit LEFT JOIN refusal USING (bucket)
    GROUP BY bucket
    ORDER BY min(CASE WHEN unit = 'IN_FLIGHT' THEN 1 - in_use / burst ELSE level / burst END), bucket`.execute(db)
  return rows.map(({ bucket, ...state }) => ({ ids: idsOf(bucket), ...state }))
}

function idsOf(bucket: string): string[] {
  return bucket === '' ? [] : bucket.split(' ')
}

/** Deletes obsolete rows: buckets that are full or belong to deleted limits, and refusals older than an hour. */
export async function sweepLimitBuckets(db: Db): Promise<void> {
  await sql`
    WITH gone AS (
      SELECT limit_id, bucket, unit FROM limit_bucket AS b
      WHERE NOT EXISTS (SELECT FROM rate_limit WHERE id = b.limit_id) OR (
        (unit = 'IN_FLIGHT' OR level + rate / 60 * extract(epoch FROM clock_timestamp() - filled_at) >= burst)
        AND NOT EXISTS (
          SELECT FROM limit_lease AS l WHERE l.limit_id = b.limit_id AND l.bucket = b.bucket AND l.unit = b.unit
            AND l.expires_at > clock_timestamp())
        AND filled_at < clock_timestamp() - interval '1 hour')
      ORDER BY limit_id, bucket, unit
      FOR UPDATE SKIP LOCKED
    ), lease AS (
      DELETE FROM limit_lease AS l USING gone
      WHERE l.limit_id = gone.limit_id AND l.bucket = gone.bucket AND l.unit = gone.unit
    ), refusal AS (
      DELETE FROM limit_refusal WHERE minute < clock_timestamp() - interval '1 hour 1 minute'
    )
    DELETE FROM limit_bucket AS b USING gone
    WHERE b.limit_id = gone.limit_id AND b.bucket = gone.bucket AND b.unit = gone.unit`.execute(db)
}
