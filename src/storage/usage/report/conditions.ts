import { type RawBuilder, sql } from 'kysely'
import type { UsageFilter } from '../../../routing/usage/filter.ts'
import type { DimensionColumn } from './layers.ts'

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
  operations: 'operation',
} as const satisfies Partial<Record<keyof UsageFilter, DimensionColumn>>
const fields = Object.keys(filterColumns) as (keyof typeof filterColumns)[]

/** What only the records know, as conditions on `usage_record` under a name. Sums are not kept by these. */
const recordConditionsOf: Record<
  Exclude<keyof UsageFilter, keyof typeof filterColumns>,
  (filter: UsageFilter, table: string) => RawBuilder<boolean>
> = {
  statuses: ({ statuses }, table) => sql`${sql.ref(`${table}.status`)} = any(${statuses}::int[])`,
  errorCodes: ({ errorCodes }, table) => sql`${sql.ref(`${table}.error_code`)} = any(${errorCodes}::text[])`,
  requestedModels: ({ requestedModels }, table) =>
    sql`${sql.ref(`${table}.requested_model`)} = any(${requestedModels}::text[])`,
  retried: ({ retried }, table) => sql`(json_array_length(${sql.ref(`${table}.attempts`)}) > 1) = ${retried}`,
}
const recordFields = Object.keys(recordConditionsOf) as (keyof typeof recordConditionsOf)[]

/** Whether only the records can answer, and no sums. */
export function needsRecords(filter: UsageFilter): boolean {
  return recordFields.some((field) => hasValue(filter[field]))
}

/** What of the filter only the records know, as a condition on `usage_record` under this name. */
export function recordConditions(filter: UsageFilter, table: string): RawBuilder<boolean> {
  const givenFields = recordFields.filter((field) => hasValue(filter[field]))
  const conditions = givenFields.map((field) => recordConditionsOf[field](filter, table))
  return conditions.length === 0 ? sql<boolean>`true` : sql<boolean>`(${sql.join(conditions, sql` and `)})`
}

/** The columns of `usage_dimension` that the filter asks for. */
export function usageFilterColumns(filter: UsageFilter): DimensionColumn[] {
  return fields.filter((field) => hasValue(filter[field])).map((field) => filterColumns[field])
}

/** What of the filter dimensions know, as a condition on `usage_dimension` under this name. */
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
