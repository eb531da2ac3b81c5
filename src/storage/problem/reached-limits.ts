import { sql } from 'kysely'
import type { ReachedLimit } from '../../routing/problems/problem-facts.ts'
import type { Db } from '../database/db.ts'

const maxParts = 1_000

/**
 * The parts of enforced rate limits that refused requests within the last two minutes and are not half full again: a bucket that is
 * drawn on as fast as it fills has room for a moment now and then. A bucket that nobody asked since its limit was changed says nothing.
 */
export async function listReachedLimits(db: Db): Promise<ReachedLimit[]> {
  const { rows } = await sql<ReachedLimit>`
    with recent as (
      select distinct limit_id, bucket from limit_refusal
      where refused > 0 and minute > clock_timestamp() - interval '2 minutes'
      order by limit_id, bucket
      limit ${maxParts}
    ), refusing as (
      select limit_id, bucket, minute,
        minute - row_number() over (partition by limit_id, bucket order by minute) * interval '1 minute' as run
      from recent join limit_refusal using (limit_id, bucket)
      where refused > 0 and minute > clock_timestamp() - interval '1 hour'
    ), run as (
      select limit_id, bucket, min(minute) as since from refusing group by limit_id, bucket, run
      having max(minute) > clock_timestamp() - interval '2 minutes'
    ), unit as (
      select run.*, b.unit, b.burst, rate_limit.updated_at, held.in_use,
        least(b.level + b.rate / 60 * greatest(0, extract(epoch from clock_timestamp() - b.filled_at)),
          b.burst - held.held) + held.held as level
      from run
        join rate_limit on rate_limit.id = run.limit_id and enforcement = 'ENFORCE'
        join limit_bucket as b on b.limit_id = run.limit_id and b.bucket = run.bucket and b.filled_at > rate_limit.updated_at,
        lateral (
          select coalesce(sum(l.held), 0) as held, coalesce(sum(l.in_use), 0) as in_use from limit_lease as l
          where l.limit_id = b.limit_id and l.bucket = b.bucket and l.unit = b.unit and l.expires_at > clock_timestamp()
        ) as held
    )
    select limit_id as "limitId", bucket, extract(epoch from max(greatest(since, updated_at)))::float8 * 1000 as "sinceMs"
    from unit
    where case when unit = 'IN_FLIGHT' then burst - in_use else level end < greatest(1, burst / 2)
    group by limit_id, bucket
    order by limit_id, bucket`.execute(db)
  return rows
}
