import { gatewayErrors } from '../../routing/errors/gateway-errors.ts'
import { modelsOperation, type Operation, type Protocol, protocolOf } from '../../routing/vendors/operation.ts'
import type { RequestOutcome } from '../../routing/config/vocabulary.ts'
import type { RateBucket } from '../../routing/limits/rate-bucket.ts'
import { backendFacts } from '../body/backend-facts.ts'
import type { Exchange } from '../http1/server/exchange.ts'
import { errorBody, errorEvent, outcomeOfError, upstreamErrorEvent } from '../answer/error.ts'
import type { GatewayContext } from './context.ts'
import { addLimitHeaders } from '../limits/limit-headers.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import type { Fault } from '../body/request-faults.ts'
import type { RequestEnd, RequestUsage } from './usage.ts'
import type { SentAttempt } from './attempt.ts'
import { KeepAlive, signOfLife, streamHeaders } from './keep-alive.ts'

/** An upstream's answer that was read whole, for the case that no other comes. */
export interface KeptAnswer {
  readonly attempt: SentAttempt
  readonly status: number
  readonly headers: string[]
  readonly body: Buffer
}

/** Status of a client that left before any byte of an answer: nginx' word for it. */
const clientLeft = 499

/** Answers a request and ends it exactly once. */
export class Reply {
  operation: Operation = modelsOperation
  /** The caller may not learn whether there is such a route. */
  hidesRoute = false
  /** The record is written, and nothing is decided any more. */
  isEnded = false
  readonly exchange: Exchange
  readonly usage: RequestUsage
  /** In whose form errors are written. */
  protocol: Protocol
  /** The limits of the caller and the route, whose rest each answer tells; null: none binds it. */
  limits: readonly RateBucket[] | null = null
  readonly #context: GatewayContext
  /** Null: the route has none, or the request is no stream. */
  #keepAlive: KeepAlive | null = null

  constructor(context: GatewayContext, exchange: Exchange, path: string, usage: RequestUsage) {
    this.#context = context
    this.exchange = exchange
    this.usage = usage
    this.protocol = protocolOf(path)
  }

  // ── a stream that waits for its content ──

  /** Starts keep-alive comments: after the first one the client has its status, and a failure is sent as an event. */
  keepAliveEvery(ms: number, onFault: (error: unknown) => void): void {
    this.#keepAlive = new KeepAlive(ms, () => {
      try {
        this.#giveSignOfLife()
      } catch (error) {
        onFault(error)
      }
    })
  }

  stopKeepAlive(): void {
    this.#keepAlive?.stop()
  }

  /** The client has the head of a stream already. */
  get hasBegun(): boolean {
    return this.exchange.status > 0
  }

  #giveSignOfLife(): void {
    if (!this.hasBegun) {
      const headers = [...streamHeaders]
      this.addOwnHeaders(headers)
      this.exchange.begin(200, headers, null)
    }
    this.exchange.write(signOfLife(this.operation))
  }

  // ── answers ──

  /** Answers with what the gateway knows itself. */
  answer(body: Buffer): void {
    this.#endWith('OK', 200, null, () => this.#write(200, ['content-type', 'application/json'], body))
  }

  /** Answers with an error of the gateway's own. */
  refuse({ code, detail, headers: more }: Fault, retryAfterMs: number | null = null): void {
    const { status } = gatewayErrors[code]
    const headers = ['content-type', 'application/json']
    if (retryAfterMs !== null) headers.push('retry-after', String(Math.ceil(retryAfterMs / 1000)))
    if (more) headers.push(...more)
    if (code === 'method_not_allowed') headers.push('allow', this.operation.method)
    // Another program may have seen another request in it, and the next one elsewhere.
    if (code === 'bad_request' || code === 'upgrade_required') this.exchange.keepsAlive = false
    const outcome = outcomeOfError(code)
    if (this.hasBegun) return this.#endStream(outcome, code, errorEvent(code, this.operation, this.usage.id, null))
    const body = errorBody(code, this.protocol, this.usage.id, detail)
    this.#endWith(outcome, status, code, () => this.#write(status, headers, body))
  }

  /** Passes on the upstream's answer unchanged; an error that the client's protocol cannot read is put into the protocol's envelope. */
  pass(kept: KeptAnswer): void {
    const { attempt, status, headers, body } = kept
    if (!isReadable(kept)) return this.#passInEnvelope(attempt)
    if (this.hasBegun) return this.#endStream(requestOutcomeOf(attempt), null, this.#asEvents(kept))
    this.#endWith(requestOutcomeOf(attempt), status, null, () => this.#write(status, headers, body, attempt))
  }

  /** The body is a page, empty, or a redirect. An error keeps its status. */
  #passInEnvelope(attempt: SentAttempt): void {
    const code = 'upstream_invalid_answer'
    if (this.hasBegun) return this.refuse({ code })
    const came = attempt.call.status
    const status = came >= 400 ? came : gatewayErrors[code].status
    const body = errorBody(code, this.protocol, this.usage.id)
    const headers = ['content-type', 'application/json']
    const { retryAfter } = attempt.call.head ?? { retryAfter: null }
    if (retryAfter !== null) headers.push('retry-after', retryAfter)
    this.#endWith(requestOutcomeOf(attempt), status, code, () => this.#write(status, headers, body, attempt))
  }

  #asEvents({ attempt, body }: KeptAnswer): Buffer {
    return attempt.call.isStream ? body : upstreamErrorEvent(body.toString(), this.operation, this.usage.id)
  }

  /** Ends a stream that had no content. */
  #endStream(outcome: RequestOutcome, errorCode: string | null, last: Buffer): void {
    const { exchange } = this
    this.#endWith(outcome, exchange.status, errorCode, () => exchange.end(last))
  }

  /** The client has left before there was an answer. */
  cancel(): void {
    this.#endWith('CANCELLED', this.exchange.status || clientLeft, null, () => {})
  }

  /** Writes the record once, and sends the last byte of the answer when the record is safe. */
  end(end: RequestEnd, release: () => void): void {
    if (this.isEnded) return
    this.isEnded = true
    this.stopKeepAlive()
    this.usage.end(end, release)
  }

  /** `answered`: the attempt whose answer it is; undefined: it is the gateway's own. */
  addOwnHeaders(headers: string[], answered?: SentAttempt): void {
    const { id, route, attempts, fallbackTrigger } = this.usage
    let sent = 0
    for (const attempt of attempts) if (attempt.wasSent) sent++
    headers.push('x-request-id', id, 'x-signalbox-attempts', String(sent))
    // By which name Anthropic's clients look for it.
    if (this.protocol === 'anthropic' && !headers.includes('request-id')) headers.push('request-id', id)
    if (route && !this.hidesRoute)
      headers.push('x-signalbox-route', route.name, 'x-signalbox-revision', String(route.revision))
    const last = answered ?? (sent > 0 ? attempts.findLast((attempt) => attempt.wasSent) : undefined)
    if (last) headers.push('x-signalbox-backend', backendFacts(last.plan.backend).label)
    if (answered?.isFallback && fallbackTrigger) headers.push('x-signalbox-fallback', fallbackTrigger.toLowerCase())
    if (this.limits) addLimitHeaders(headers, this.limits, this.protocol)
    if (this.#context.isDraining) this.exchange.keepsAlive = false
  }

  #endWith(outcome: RequestOutcome, status: number, errorCode: string | null, release: () => void): void {
    const firstByteAtMs = isServed(outcome) ? monotonicMs() : 0
    this.end({ outcome, status, errorCode, firstByteAtMs, answer: null }, release)
  }

  /** An answer that is not relayed, whole. */
  #write(status: number, headers: string[], body: Buffer, answered?: SentAttempt): void {
    if (this.hasBegun) return this.exchange.destroy()
    this.addOwnHeaders(headers, answered)
    this.exchange.answer(status, headers, body)
  }
}

/** What clients of these operations can read: JSON, or events. */
function isReadable({ attempt, status, body }: KeptAnswer): boolean {
  if (status >= 300 && status < 400) return false
  return attempt.call.isStream || isJson(body)
}

function isJson(body: Buffer): boolean {
  try {
    JSON.parse(body.toString())
    return true
  } catch {
    return false
  }
}

export function isServed(outcome: RequestOutcome): boolean {
  return outcome === 'OK' || outcome === 'OK_BY_FALLBACK'
}

/** How a request ended that got all of this attempt's answer. */
export function requestOutcomeOf({ trigger, isRefused, isFallback }: SentAttempt): RequestOutcome {
  if (trigger !== null) return trigger === 'CONTEXT_LENGTH' ? 'CLIENT_ERROR' : 'UPSTREAM_ERROR'
  if (isRefused) return 'CLIENT_ERROR'
  return isFallback ? 'OK_BY_FALLBACK' : 'OK'
}
