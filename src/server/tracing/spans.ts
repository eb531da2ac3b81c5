import {
  type Context,
  createTraceState,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Tracer,
} from '@opentelemetry/api'
import type { IdGenerator } from '@opentelemetry/sdk-trace'
import type { UsageRecord } from '../../routing/usage/record.ts'
import { attemptErrorOf } from '../usage/attempt-error.ts'
import { genAiOperationOf } from './gen-ai.ts'
import { attemptAttributes, requestAttributes } from './span-attributes.ts'
import type { TraceHeaders } from './trace-parent.ts'
import type { TracedRequest } from './traced-request.ts'

/** Gives the next span the ids that were promised to upstreams. */
export class PromisedIds implements IdGenerator {
  traceId = ''
  spanId = ''

  readonly generateTraceId = (): string => this.traceId
  readonly generateSpanId = (): string => this.spanId
}

/** Makes the spans of a finished request: its own, and one per attempt below it. `ids` are those that the tracer asks. */
export function makeSpans(tracer: Tracer, ids: PromisedIds, request: TracedRequest, record: UsageRecord): void {
  const parent = contextOf(request.headers)
  ids.traceId = request.traceId
  ids.spanId = request.spanId
  const { startedAtMs, durationMs, status } = record
  const span = tracer.startSpan(
    requestName(record),
    { kind: SpanKind.SERVER, startTime: startedAtMs, attributes: requestAttributes(record) },
    parent,
  )
  // A server span has an error only for faults of the server, not of the client.
  if (status >= 500 || record.outcome === 'TRUNCATED') span.setStatus({ code: SpanStatusCode.ERROR })
  const own = trace.setSpan(parent, span)
  for (const index of request.attempts.keys()) makeAttemptSpan(tracer, ids, own, request, record, index)
  span.end(startedAtMs + durationMs)
}

function makeAttemptSpan(
  tracer: Tracer,
  ids: PromisedIds,
  context: Context,
  request: TracedRequest,
  record: UsageRecord,
  index: number,
): void {
  const { plan, spanId, startedAfterMs } = request.attempts[index]!
  const attempt = record.attempts[index]
  if (!attempt) return
  ids.spanId = spanId
  const startTime = record.startedAtMs + startedAfterMs
  const attributes = attemptAttributes(plan, record, index)
  const name = `${genAiOperationOf(record.operation)} ${plan.backend.upstreamModel}`
  const span = tracer.startSpan(name, { kind: SpanKind.CLIENT, startTime, attributes }, context)
  if (attemptErrorOf(record, index) !== '') span.setStatus({ code: SpanStatusCode.ERROR })
  span.end(startTime + attempt.durationMs)
}

function requestName({ operation, routeName }: UsageRecord): string {
  return routeName === null ? operation : `${genAiOperationOf(operation)} ${routeName}`
}

/** A context whose span is the client's; the root if the client sent none. */
export function contextOf({ parent, states }: TraceHeaders): Context {
  if (!parent) return ROOT_CONTEXT
  const { traceId, spanId, isSampled } = parent
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote: true,
    ...(states.length > 0 && { traceState: createTraceState(states.join(',')) }),
  })
}
