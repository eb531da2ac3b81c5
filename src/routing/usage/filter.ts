/** The filter and the dimensions of reports, of the request log and of subscriptions. */
import type { UsageRecord } from './record.ts'
import type { RequestOutcome } from '../config/vocabulary.ts'

export const usageBuckets = ['ALL', 'MINUTE', 'HOUR', 'DAY', 'MONTH'] as const
/** The width of a bucket; all start on whole multiples in UTC. */
export type UsageBucket = (typeof usageBuckets)[number]

export const usageDimensions = [
  'ROUTE',
  'ROUTE_REVISION',
  'TARGET',
  'BACKEND',
  'PROVIDER',
  'DEPLOYMENT',
  'API_KEY',
  'USER',
  'OPERATION',
  'OUTCOME',
  'SERVICE_TIER',
] as const
export type UsageDimension = (typeof usageDimensions)[number]

/** Fields combine with AND, the values of one field with OR: an empty list matches nothing. Null and undefined: any. */
export interface UsageFilter {
  readonly routeIds?: readonly string[] | null
  readonly targetIds?: readonly string[] | null
  readonly backendIds?: readonly string[] | null
  readonly providerIds?: readonly string[] | null
  readonly deploymentIds?: readonly string[] | null
  readonly apiKeyIds?: readonly string[] | null
  readonly userIds?: readonly string[] | null
  readonly outcomes?: readonly RequestOutcome[] | null
  readonly stream?: boolean | null
  readonly operations?: readonly string[] | null
  /** The statuses that the client got. */
  readonly statuses?: readonly number[] | null
  readonly errorCodes?: readonly string[] | null
  readonly requestedModels?: readonly string[] | null
  /** Whether more than one attempt was made. */
  readonly retried?: boolean | null
}

export function matchesUsageFilter(record: UsageRecord, filter: UsageFilter): boolean {
  return (
    isAmong(record.routeId, filter.routeIds) &&
    isAmong(record.targetId, filter.targetIds) &&
    isAmong(record.backendId, filter.backendIds) &&
    isAmong(record.providerId, filter.providerIds) &&
    isAmong(record.deploymentId, filter.deploymentIds) &&
    isAmong(record.apiKeyId, filter.apiKeyIds) &&
    isAmong(record.userId, filter.userIds) &&
    isAmong(record.outcome, filter.outcomes) &&
    (filter.stream ?? record.stream) === record.stream &&
    isAmong(record.operation, filter.operations) &&
    isAmong(record.status, filter.statuses) &&
    isAmong(record.errorCode, filter.errorCodes) &&
    isAmong(record.requestedModel, filter.requestedModels) &&
    (filter.retried ?? isRetried(record)) === isRetried(record)
  )
}

function isRetried({ attempts }: UsageRecord): boolean {
  return attempts.length > 1
}

function isAmong<T>(value: T | null, values: readonly T[] | null | undefined): boolean {
  return !values || (value !== null && values.includes(value))
}
