/** All that the data plane needs from outside. The gateway never sees the database: the server plugs these in. */
import type { BudgetAnswer, BudgetLeaseRequest } from '../routing/limits/budget-lease.ts'
import type { LeaseAnswer, LeaseRequest } from '../routing/limits/lease.ts'
import type { AttemptPlan } from '../routing/choose/next-attempt.ts'
import type { Snapshot } from '../routing/config/snapshot.ts'
import type { TokenUsage, UsageRecord } from '../routing/usage/record.ts'
import type { DivergenceReason, RequestOutcome } from '../routing/config/vocabulary.ts'
import type { IndexedMember } from './loop/indexed-set.ts'

export interface GatewayPorts {
  /** The current snapshot: one read, no wait. */
  readonly snapshot: () => Snapshot
  readonly usage: UsageSink
  readonly traffic: TrafficObserver
  /** Whether an upstream may have this address, given as an IP literal. */
  readonly isAllowedAddress: (address: string) => boolean
  /**
   * Whether the snapshot may be too old to serve by: null: it is not. A promise: it may be, and a look is under way; serve by what is
   * current when it resolves. `STALE`: nobody may be served by it. Without it: never too old. Never throws or rejects.
   */
  readonly judgeSnapshot?: () => Promise<void> | 'STALE' | null
  /** Live gateways that share each `maxInFlight`, this one included; at least 1. */
  readonly gatewayCount: () => number
  /** Requests in flight at an endpoint or provider model in the other gateways, as last reported; without this function none. */
  readonly inFlightElsewhere?: (id: string) => number
  /** A turn at the buckets of rate limits: one statement. Rejects if the database is away. Without it there are no limits. */
  readonly leaseLimits?: (asks: readonly LeaseRequest[]) => Promise<readonly LeaseAnswer[]>
  /** The same of budgets. Without it there are none. */
  readonly leaseBudgets?: (asks: readonly BudgetLeaseRequest[]) => Promise<readonly BudgetAnswer[]>
  /** What `GET /metrics` answers; without it there is no such page. */
  readonly metrics?: MetricsReader
  /** Traces requests; without it there are no traces. */
  readonly tracer?: RequestTracer | undefined
  readonly log: GatewayLog
}

/** Never throws. */
export interface RequestTracer {
  /** A request has come, with these headers: name, value, …, names in lower case. */
  begin(forwarded: readonly string[]): RequestTrace
}

/** The trace of one request. Never throws. */
export interface RequestTrace {
  /**
   * An attempt, begun at `startedAtMs` (`monotonicMs`), is about to be sent: the client's headers, changed so that the upstream continues
   * the trace.
   */
  attempt(plan: AttemptPlan, forwarded: readonly string[], startedAtMs: number): readonly string[]
  /** Once, when the request is over. */
  end(record: UsageRecord): void
}

export type MetricsReader = () => Promise<{ readonly contentType: string; readonly text: string }>

/** Where a request's usage goes before its answer ends. Never throws, never waits for a database. */
export interface UsageSink {
  /** A request has begun; if this process dies before `append`, its record says `GATEWAY_ERROR`. */
  open(request: OpenRequest): void
  /**
   * `opened`: what was given to `open`; null if nothing was. `written` is called once the record is safe from the death of this
   * process, or can't be (then that is counted).
   */
  append(record: UsageRecord, opened: OpenRequest | null, written: () => void): void
}

/** A request in flight. Most end before anybody asks what they were. */
export interface OpenRequest extends IndexedMember {
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number
  readonly start: () => RequestStart
}

/** The facts about a request at its start. */
export interface RequestStart {
  readonly id: string
  readonly startedAtMs: number
  readonly operation: string
  readonly stream: boolean
  readonly requestedModel: string | null
  readonly routeId: string | null
  readonly routeName: string | null
  readonly routeRevision: number | null
  readonly apiKeyId: string | null
  readonly apiKeyName: string | null
  readonly userId: string | null
  readonly userName: string | null
}

/**
 * Told of the way of each request that found its route, for the live counters. On the hot path: cheap, never throws.
 *
 * Each `began` is followed by exactly one `left` or `ended` with the same place object. `ended` comes once per request: at the
 * place that served it or was tried last, and without a `began` if no attempt was made at all.
 */
export interface TrafficObserver {
  /** An attempt goes to this place: it has one more in flight. */
  began(place: TrafficPlace): void
  /** The attempt failed and the request goes on elsewhere: one less in flight, and no request counted here. */
  left(place: TrafficPlace): void
  /** The request is over: one less in flight if it `began` (then `place.backendId` is not null), and one request counted. */
  ended(place: TrafficPlace, end: TrafficEnd): void
}

/** Where a request is. */
export interface TrafficPlace {
  readonly routeId: string
  readonly revision: number
  /** Null for a fallback backend, and if nothing was tried. */
  readonly targetId: string | null
  /** Null if nothing was tried: no target was available. */
  readonly backendId: string | null
  readonly backendLabel: string | null
}

/** How a request ended. */
export interface TrafficEnd {
  /** Why it did not go where the weights say, and the target that it should have gone to; null if it did go there. */
  readonly divergence: { readonly reason: DivergenceReason; readonly targetId: string } | null
  readonly outcome: RequestOutcome
  /** Null if no byte of an answer went out. */
  readonly firstByteMs: number | null
  readonly durationMs: number
  readonly tokens: TokenUsage | null
}

/** The part of a pino logger that the gateway uses. */
export interface GatewayLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
