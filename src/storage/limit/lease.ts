import { CompiledQuery } from 'kysely'
import type { LeaseAnswer, LeaseRequest } from '../../routing/limits/lease.ts'
import type { Db } from '../database/db.ts'
import { prepared } from '../database/prepared-statement.ts'

const leaseSql = prepared(
  'lease_limits',
  `SELECT number, granted, left_over AS "left" FROM limit_lease($1, $2, make_interval(secs => $3), $4)`,
)

type Numbered = LeaseAnswer & { readonly number: number }

/**
 * One lease round of a gateway for many buckets in one statement, each bucket at most once. The gateway may use a grant for `leaseMs`.
 * `at` is for tests; by default the database's clock counts. Returns an answer for each request, in their order.
 */
export async function leaseLimits(
  db: Db,
  gatewayId: string,
  asks: readonly LeaseRequest[],
  leaseMs: number,
  at: Date | null = null,
): Promise<LeaseAnswer[]> {
  const rows = asks.map((ask, number) => ({
    number,
    limit_id: ask.limitId,
    bucket: ask.bucket,
    unit: ask.unit,
    rate: ask.perMinute,
    burst: ask.burst,
    held: ask.held,
    in_use: ask.inUse,
    idle_ms: ask.idleMs,
    returned: ask.returned,
    debt: ask.debt,
    need: ask.need,
    spare: ask.spare,
    refused: ask.refused,
    would_refuse: ask.wouldRefuse,
    solo_ms: ask.solo?.sinceMs ?? null,
    solo_gateways: ask.solo?.gateways ?? null,
    solo_left: ask.solo?.left ?? null,
    solo_lacking: ask.solo?.lacking ?? null,
  }))
  const parameters = [gatewayId, JSON.stringify(rows), leaseMs / 1000, at]
  const result = await db.executeQuery<Numbered>(CompiledQuery.raw(leaseSql, parameters))
  return result.rows.toSorted((a, b) => a.number - b.number)
}
