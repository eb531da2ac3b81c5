import { type Context, SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api'
import type { OperationReport } from '../../graphql/transport/operation-report.ts'

/**
 * Makes the span of an operation of the API that ended now, by the names of OpenTelemetry's GraphQL conventions
 * (https://opentelemetry.io/docs/specs/semconv/graphql/). A subscription's has no length: it is reported when it begins.
 */
export function makeOperationSpan(tracer: Tracer, parent: Context, report: OperationReport, endedAtMs: number): void {
  const startTime = endedAtMs - (report.durationMs ?? 0)
  const attributes = operationAttributes(report)
  const span = tracer.startSpan(operationName(report), { kind: SpanKind.SERVER, startTime, attributes }, parent)
  // A server span has an error only for faults of the server, not of the client.
  if (report.errorCodes.includes('INTERNAL_SERVER_ERROR')) span.setStatus({ code: SpanStatusCode.ERROR })
  span.end(endedAtMs)
}

/** Names of operations are the client's own, and may be many: they are an attribute. */
function operationName({ type }: OperationReport): string {
  return type === 'NONE' ? 'GraphQL' : `GraphQL ${type.toLowerCase()}`
}

function operationAttributes(report: OperationReport) {
  const { name, type, outcome, errorCodes, errorCount, cost, requestId, apiKeyId } = report
  return {
    ...(name !== '' && { 'graphql.operation.name': name }),
    ...(type !== 'NONE' && { 'graphql.operation.type': type.toLowerCase() }),
    'signalbox.request_id': requestId,
    'signalbox.api_key_id': apiKeyId,
    'signalbox.outcome': outcome.toLowerCase(),
    'signalbox.error_count': errorCount,
    ...(errorCodes.length > 0 && { 'error.type': errorCodes[0], 'signalbox.error_codes': errorCodes.join(',') }),
    ...(cost !== null && { 'signalbox.cost': cost }),
  }
}
