import { hash } from 'node:crypto'
import type { AttemptRecord, UsageRecord } from '../../../routing/usage/record.ts'
import { usageFormat } from './format.ts'
import { type DimensionColumn, type UsageLevel, usageLevels } from '../report/layers.ts'
import { literalText } from './literal.ts'

type Value = string | number | boolean | null

/** What the lines of records like this one refer to, as an element of an array of `usage_about_2`. */
export function usageAboutText(number: number, record: UsageRecord): string {
  const dimension = dimensionOf(record)
  const values: Value[] = [
    number,
    ...(Object.keys(usageLevels) as UsageLevel[]).map((level) => dimensionKey(level, dimension)),
    ...columnsOfAbout.map((column) => dimension[column]),
    // Otherwise it is whatever a client wrote: the line has it.
    record.requestedModel === record.routeName ? record.requestedModel : null,
    record.status,
    record.errorCode,
    record.provenance,
    record.attempts.length,
    beginOfAttempts(record.attempts),
    record.serviceTier,
    usageFormat,
  ]
  return `"(${values.map((value) => (typeof value === 'string' ? literalText(value) : (value ?? ''))).join(',')})"`
}

const columnsOfAbout = usageLevels.FULL.filter((column) => column !== 'service_tier')

/**
 * The same wherever it is computed: writers who race agree about it without asking. A service tier that nobody named is left out: the
 * version before, which knows none, has the same keys.
 */
function dimensionKey(level: UsageLevel, dimension: Record<DimensionColumn, Value>): string {
  const columns = usageLevels[level].filter((column) => column !== 'service_tier' || dimension.service_tier !== null)
  const values = columns.map((column) => dimension[column])
  return hash('md5', JSON.stringify([level, ...values]))
}

/** Up to the duration, which the line goes on with, if it is a single one. What the line leaves out is null. */
function beginOfAttempts(attempts: readonly AttemptRecord[]): string {
  if (attempts.length === 0) return '[]'
  if (attempts.length > 1) return ''
  const { durationMs: _duration, error: _error, upstreamRequestId: _id, ...rest } = attempts[0]!
  return `[${JSON.stringify(rest).slice(0, -1)},"durationMs":`
}

function dimensionOf(record: UsageRecord): Record<DimensionColumn, Value> {
  return {
    route_id: record.routeId,
    route_name: record.routeName,
    route_revision: record.routeRevision,
    target_id: record.targetId,
    backend_id: record.backendId,
    backend_label: record.backendLabel,
    provider_id: record.providerId,
    provider_name: record.providerName,
    deployment_id: record.deploymentId,
    deployment_name: record.deploymentName,
    operation: record.operation,
    outcome: record.outcome,
    stream: record.stream,
    service_tier: record.serviceTier,
    api_key_id: record.apiKeyId,
    api_key_name: record.apiKeyName,
    user_id: record.userId,
    user_name: record.userName,
  }
}
