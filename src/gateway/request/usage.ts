import { anonymous, type Caller } from '../../routing/access/authorise.ts'
import { costOf } from '../../routing/usage/cost.ts'
import type { AttemptPlan } from '../../routing/choose/next-attempt.ts'
import type { Divergence } from '../../routing/choose/select-target.ts'
import type { Route } from '../../routing/config/snapshot.ts'
import type { UsageRecord } from '../../routing/usage/record.ts'
import type { DivergenceReason, FallbackTrigger, RequestOutcome } from '../../routing/config/vocabulary.ts'
import { type AnswerUsage, type PassedAnswer, usageOf } from '../answer/tokens.ts'
import type { RateHold } from '../limits/rate-hold.ts'
import type { RequestAttempt, SentAttempt } from './attempt.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import type { GatewayPorts, OpenRequest, RequestStart, RequestTrace, TrafficPlace } from '../ports.ts'

/** How a request ended, as the client saw it. */
export interface RequestEnd {
  readonly outcome: RequestOutcome
  readonly status: number
  readonly errorCode: string | null
  /** `monotonicMs`; 0: no byte of an answer went out. */
  readonly firstByteAtMs: number
  /** Null if nothing was served. */
  readonly answer: PassedAnswer | null
}

const maxNameLength = 256

/** What a request leaves behind: its usage record, and its traces in the live counters. */
export class RequestUsage implements OpenRequest {
  indexInSet = -1
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number
  readonly attempts: RequestAttempt[] = []
  operation = ''
  stream = false
  requestedModel: string | null = null
  caller: Caller = anonymous
  /** The route that was asked for, whether or not the caller may use it. */
  route: Route | null = null
  /** Why the fallback is asked; undefined: it is not. */
  fallbackTrigger: FallbackTrigger | undefined
  /** What it took of the limits of its caller and its route; null: none binds it. */
  rateHold: RateHold | null = null
  /** Null if traces are off. */
  trace: RequestTrace | null = null
  /** Time that passed while the client sent its body. */
  receivingMs = 0
  readonly #ports: GatewayPorts
  readonly #begunAtMs = monotonicMs()
  #isOpen = false
  #divergence: Divergence | null = null
  #place: TrafficPlace | null = null

  constructor(ports: GatewayPorts, id: string, startedAtMs: number) {
    this.#ports = ports
    this.id = id
    this.startedAtMs = startedAtMs
  }

  /** Since the request came, whatever happened to the clock. */
  get elapsedMs(): number {
    return monotonicMs() - this.#begunAtMs
  }

  /** The request has its route and is about to be served. */
  open(): void {
    this.#isOpen = true
    this.#ports.usage.open(this)
  }

  /** The first step did not go where the weights say. */
  diverged(divergence: Divergence): void {
    this.#divergence = divergence
  }

  /** An attempt, or a wait for one, begins. */
  begin(attempt: RequestAttempt): void {
    this.attempts.push(attempt)
    if (!attempt.wasSent) return
    if (this.#place) this.#ports.traffic.left(this.#place)
    this.#place = this.#placeOf(attempt.plan)
    this.#ports.traffic.began(this.#place)
  }

  /** Writes it all down; `written` is called when that is safe. */
  end(end: RequestEnd, written: () => void): void {
    const durationMs = this.elapsedMs
    const firstByteMs = end.firstByteAtMs > 0 ? end.firstByteAtMs - this.#begunAtMs : null
    const usage = usageOf(end.answer)
    this.rateHold?.settle(usedTokens(usage))
    if (this.#isOpen) {
      this.#ports.traffic.ended(this.#place ?? this.#nowhere(this.route!), {
        divergence: this.#findDivergence(),
        outcome: end.outcome,
        firstByteMs,
        durationMs,
        tokens: usage?.tokens ?? null,
      })
    }
    const record = this.#record(end, usage, firstByteMs, durationMs)
    this.attempts.findLast(isSent)?.hold?.settle(usedTokens(usage), record)
    this.#ports.usage.append(record, this.#isOpen ? this : null, written)
    this.trace?.end(record)
  }

  #record(end: RequestEnd, usage: AnswerUsage | null, firstByteMs: number | null, durationMs: number): UsageRecord {
    const { route, caller } = this
    const sent = this.#sentAttempts()
    const last = sent.at(-1)
    const backend = last?.plan.backend
    const provider = backend?.kind === 'providerModel' ? backend.provider : null
    const deployment = backend?.kind === 'deployment' ? backend : null
    let upstreamMs = 0
    for (const attempt of sent) upstreamMs += attempt.durationMs
    // Written out, and not spread from `start`: this is on the way of every request.
    return {
      id: this.id,
      startedAtMs: this.startedAtMs,
      operation: this.operation,
      stream: this.stream,
      requestedModel: this.#storableModel(),
      routeId: route?.id ?? null,
      routeName: route?.name ?? null,
      routeRevision: route?.revision ?? null,
      apiKeyId: caller.apiKey?.id ?? null,
      apiKeyName: caller.apiKey?.name ?? null,
      userId: caller.user?.id ?? null,
      userName: caller.user?.name ?? null,
      targetId: last?.targetId ?? null,
      backendId: backend?.id ?? null,
      backendLabel: backend?.label ?? null,
      providerId: provider?.id ?? null,
      providerName: provider?.name ?? null,
      deploymentId: deployment?.id ?? null,
      deploymentName: deployment?.label ?? null,
      outcome: end.outcome,
      status: end.status,
      errorCode: end.errorCode,
      attempts: sent.map((attempt) => attempt.toRecord(attempt === last)),
      fallbackTrigger: this.fallbackTrigger,
      provenance: usage?.provenance ?? 'NONE',
      tokens: usage?.tokens ?? null,
      images: usage?.images ?? null,
      audioSeconds: usage?.audioSeconds ?? null,
      characters: usage?.characters ?? null,
      serviceTier: usage?.serviceTier ?? null,
      cost: usage && backend ? costOf(usage, backend.pricing) : null,
      firstByteMs,
      durationMs,
      overheadMs: Math.max(0, durationMs - this.receivingMs - upstreamMs),
    }
  }

  #sentAttempts(): readonly SentAttempt[] {
    const { attempts } = this
    return attempts.every(isSent) ? attempts : attempts.filter(isSent)
  }

  /** The facts about it at its start. */
  start(): RequestStart {
    const { route, caller } = this
    return {
      id: this.id,
      startedAtMs: this.startedAtMs,
      operation: this.operation,
      stream: this.stream,
      requestedModel: this.#storableModel(),
      routeId: route?.id ?? null,
      routeName: route?.name ?? null,
      routeRevision: route?.revision ?? null,
      apiKeyId: caller.apiKey?.id ?? null,
      apiKeyName: caller.apiKey?.name ?? null,
      userId: caller.user?.id ?? null,
      userName: caller.user?.name ?? null,
    }
  }

  /** A client's own text, so that it can be stored: PostgreSQL refuses U+0000, and jsonb lone surrogates. */
  #storableModel(): string | null {
    const model = this.requestedModel
    // Names of routes are short and plain.
    if (model === null || model === this.route?.name) return model
    return model.slice(0, maxNameLength).replaceAll('\0', '\uFFFD').toWellFormed()
  }

  #placeOf(plan: AttemptPlan): TrafficPlace {
    const { id, revision } = this.route!
    const { target, backend } = plan
    return {
      routeId: id,
      revision,
      targetId: target?.id ?? null,
      backendId: backend.id,
      backendLabel: backend.label,
    }
  }

  #nowhere({ id, revision }: Route): TrafficPlace {
    return { routeId: id, revision, targetId: null, backendId: null, backendLabel: null }
  }

  /** Left out at the first choice; or its target failed and another place served. */
  #findDivergence(): Divergence | null {
    const first = this.attempts[0]
    const last = this.attempts.at(-1)
    // It may have come to the target that it was kept from, when that was its turn as another one's repeat.
    if (this.#divergence) return this.#divergence.targetId === last?.targetId ? null : this.#divergence
    if (!first || !last || first.targetId === null || first.targetId === last.targetId) return null
    return { targetId: first.targetId, reason: reasonToLeave(first, last.isFallback) }
  }
}

/** Tokens as limits count them; 0 if none were counted. */
function usedTokens(usage: AnswerUsage | null): number {
  const tokens = usage?.tokens
  return tokens ? tokens.inputTokens + tokens.outputTokens : 0
}

/** Why a request did not end where its first attempt went, or waited. */
function reasonToLeave(first: RequestAttempt, isFallback: boolean): DivergenceReason {
  if (first.wasSent) return first.lacksOperation ? 'OPERATION_NOT_SERVED' : isFallback ? 'FALLBACK' : 'RETRIED'
  if ('reason' in first) return first.reason
  if (first.trigger !== 'UNAVAILABLE') return 'SATURATED'
  return first.isEjected ? 'UNHEALTHY' : 'NOT_SERVING'
}

function isSent(attempt: RequestAttempt): attempt is SentAttempt {
  return attempt.wasSent
}
