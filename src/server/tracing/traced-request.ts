import type { RequestTrace } from '../../gateway/ports.ts'
import type { AttemptPlan } from '../../routing/choose/next-attempt.ts'
import type { UsageRecord } from '../../routing/usage/record.ts'
import { formatTraceParent, type TraceHeaders } from './trace-parent.ts'

/** The trace data of an attempt; its outcome is in the record. */
export interface TracedAttempt {
  readonly spanId: string
  readonly plan: AttemptPlan
  /**
   * Milliseconds after the beginning of the request. By the same clock as the attempt's duration and from the same instant, or a span
   * would end after the next one's beginning.
   */
  readonly startedAfterMs: number
}

/** A traced request. Its ids exist from the start, because upstreams get them; its spans are created when it has ended. */
export class TracedRequest implements RequestTrace {
  readonly traceId: string
  readonly spanId: string
  readonly isSampled: boolean
  readonly headers: TraceHeaders
  readonly attempts: TracedAttempt[] = []
  readonly #createSpanId: () => string
  readonly #finish: (request: TracedRequest, record: UsageRecord) => void
  readonly #begunAtMs = performance.now()

  constructor(options: {
    readonly traceId: string
    readonly isSampled: boolean
    readonly headers: TraceHeaders
    readonly createSpanId: () => string
    readonly finish: (request: TracedRequest, record: UsageRecord) => void
  }) {
    this.traceId = options.traceId
    this.spanId = options.createSpanId()
    this.isSampled = options.isSampled
    this.headers = options.headers
    this.#createSpanId = options.createSpanId
    this.#finish = options.finish
  }

  attempt(plan: AttemptPlan, forwarded: readonly string[], startedAtMs: number): readonly string[] {
    const spanId = this.#createSpanId()
    this.attempts.push({ spanId, plan, startedAfterMs: startedAtMs - this.#begunAtMs })
    const headers = forwarded.filter((_, i) => !isTraceHeader(forwarded[i - (i % 2)]!))
    const { traceId, isSampled } = this
    headers.push('traceparent', formatTraceParent({ traceId, spanId, isSampled }))
    for (const state of this.headers.states) headers.push('tracestate', state)
    return headers
  }

  end(record: UsageRecord): void {
    if (this.isSampled) this.#finish(this, record)
  }
}

function isTraceHeader(name: string): boolean {
  return name === 'traceparent' || name === 'tracestate'
}
