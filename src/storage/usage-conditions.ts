import { type RawBuilder, sql } from 'kysely'
import type { UsageFilter } from '../routing/usage-filter.ts'
import type { DimensionColumn } from './usage-layers.ts'

const filterColumns = {
  routeIds: 'route_id',
  targetIds: 'target_id',
  backendIds: 'backend_id',
  providerIds: 'provider_id',
  deploymentIds: 'deployment_id',
  apiKeyIds: 'api_key_id',
  userIds: 'user_id',
  outcomes: 'outcome',
  stream: 'stream',
} as const satisfies Record<keyof UsageFilter, DimensionColumn>
const fields = Object.keys(filterColumns) as (keyof UsageFilter)[]

/** The columns of `usage_dimension` that the filter asks for. */
export function usageFilterColumns(filter: UsageFilter): DimensionColumn[] {
  return fields.filter((field) => hasValue(filter[field])).map((field) => filterColumns[field])
}

/** The filter as a condition on `usage_dimension` under this name. */
export function usageConditions(filter: UsageFilter, table: string): RawBuilder<boolean> {
  const conditions = fields.flatMap((field) => {
    const value = filter[field]
    if (!hasValue(value)) return []
    const column = sql.ref(`${table}.${filterColumns[field]}`)
    return typeof value === 'boolean' ? [sql`${column} = ${value}`] : [sql`${column} = any(${value}::text[])`]
  })
  return conditions.length === 0 ? sql<boolean>`true` : sql<boolean>`(${sql.join(conditions, sql` and `)})`
}

function hasValue<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined
}
