import { sql } from 'kysely'
import type { BudgetLeaseRequest } from '../../routing/limits/budget-lease.ts'
import { noId } from '../../routing/limits/match-limits.ts'
import type { Budget, LimitDimension, LimitSubject } from '../../routing/limits/limit.ts'
import type { UsageFilter } from '../../routing/usage/filter.ts'
import type { Db } from '../database/db.ts'
import { partsOf } from '../usage/report/aggregate.ts'
import type { DimensionColumn } from '../usage/report/layers.ts'
import type { Range } from '../usage/report/range.ts'
import { selectPart, type UsageSelection } from '../usage/report/selection.ts'

/** What finished requests have cost, for one value of each dimension. */
export interface SpentAmount {
  /** In the order of the dimensions; null where requests had none, e.g. no key. */
  readonly ids: readonly (string | null)[]
  /** The last names in the range. */
  readonly labels: readonly (string | null)[]
  /** USD, an exact decimal. */
  readonly cost: string
}

/** Most combinations of dimension values in one result. */
const maxGroups = 10_000
const allGroups = 2_147_483_647

/** Of ids alone. */
type IdFilter = { -readonly [K in keyof UsageFilter as K extends `${string}Ids` ? K : never]: UsageFilter[K] }

const nothing: SpentAmount[] = [{ ids: [], labels: [], cost: '0' }]

const columnsOf = {
  API_KEY: { id: 'api_key_id', name: 'api_key_name' },
  USER: { id: 'user_id', name: 'user_name' },
  ROUTE: { id: 'route_id', name: 'route_name' },
} as const satisfies Record<LimitDimension, { id: DimensionColumn; name: DimensionColumn }>

/**
 * What the subject's requests that ended in a range have cost, exactly: the sum of their records. By the values of `per`, the greatest
 * cost first, at most 10,000; without dimensions one, also if it is 0.
 *
 * Call it in a transaction with a snapshot (`REPEATABLE READ`): the parts of the range are read one after the other.
 */
export async function listSpent(
  db: Db,
  { subject, per }: Pick<Budget, 'subject' | 'per'>,
  range: Range,
): Promise<SpentAmount[]> {
  return await listSpentBy(db, per, filterOf(subject), range)
}

async function listSpentBy(
  db: Db,
  per: readonly LimitDimension[],
  filter: UsageFilter,
  range: Range,
  limit = maxGroups,
): Promise<SpentAmount[]> {
  const query: UsageSelection = {
    range,
    bucket: 'ALL',
    groupBy: per,
    filter,
    limit,
    withPercentiles: false,
  }
  const parts = await partsOf(db, query)
  if (parts.length === 0) return per.length === 0 ? nothing : []
  const ids = per.map((dimension) => sql.ref(`d.${columnsOf[dimension].id}`))
  const names = per.map((dimension) => sql.ref(`d.${columnsOf[dimension].name}`))
  const columns = [
    sql`array[${sql.join(ids)}]::text[] as ids`,
    sql`jsonb_build_array(${sql.join(names)}) as labels`,
    sql.ref('r.last_ended_ms'),
    sql.ref('r.cost'),
  ]
  const { rows } = await sql<SpentAmount>`
    with part as (${sql.join(
      parts.map((part) => selectPart(query, part, columns)),
      sql` union all `,
    )})
    select ids, (array_agg(labels order by last_ended_ms desc))[1] as labels,
      trim_scale(coalesce(sum(cost), 0))::text as cost
    from part
    group by ids
    order by coalesce(sum(cost), 0) desc, ids
    limit ${limit}`.execute(db)
  return rows.length === 0 && per.length === 0 ? nothing : rows
}

function filterOf(subject: LimitSubject): IdFilter {
  switch (subject.kind) {
    case 'INSTALLATION':
      return {}
    case 'USER':
      return { userIds: [subject.id] }
    case 'API_KEY':
      return { apiKeyIds: [subject.id] }
    case 'ROUTE':
      return { routeIds: [subject.id] }
    case 'PROVIDER':
      return { providerIds: [subject.id] }
    case 'PROVIDER_MODEL':
    case 'DEPLOYMENT':
      return { backendIds: [subject.id] }
  }
}

/** The end of a period without an end: later than any record. */
const farAwayMs = Date.UTC(9999, 0)

/** Parts of one budget in one period. */
export interface BudgetParts extends Pick<BudgetLeaseRequest, 'budget' | 'periodStartMs' | 'periodEndMs'> {
  /** See `bucketKey`. */
  readonly buckets: readonly string[]
}

/** What parts of a budget have cost in a period, by their buckets: USD, exact decimals. In one statement, however many they are. */
export async function spentInBuckets(
  db: Db,
  { budget, periodStartMs, periodEndMs, buckets }: BudgetParts,
): Promise<ReadonlyMap<string, string>> {
  const range = { from: periodStartMs, to: periodEndMs ?? farAwayMs }
  const parts = buckets.map((bucket) => (bucket === '' ? [] : bucket.split(' ')))
  const filter = { ...filterOf(budget.subject) }
  for (const [i, dimension] of budget.per.entries()) {
    const ids = parts.map((part) => part[i]!)
    // What has no id cannot be filtered by: then all values are read.
    if (!ids.includes(noId)) filter[idsFilterOf[dimension]] = [...new Set(ids)]
  }
  const spent = await listSpentBy(db, budget.per, filter, range, allGroups)
  const costs = new Map(spent.map(({ ids, cost }) => [ids.map((id) => id ?? noId).join(' '), cost]))
  return new Map(buckets.map((bucket) => [bucket, costs.get(bucket) ?? '0']))
}

const idsFilterOf = { API_KEY: 'apiKeyIds', USER: 'userIds', ROUTE: 'routeIds' } as const
