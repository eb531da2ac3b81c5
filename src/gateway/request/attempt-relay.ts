import { passedNamesOf } from '../answer/passed-names.ts'
import { classifyFailure } from '../../routing/health/classify-outcome.ts'
import type { Route } from '../../routing/config/snapshot.ts'
import type { RequestOutcome } from '../../routing/config/vocabulary.ts'
import type { PassedAnswer } from '../answer/tokens.ts'
import type { Exchange } from '../http1/server/exchange.ts'
import { errorEvent } from '../answer/error.ts'
import { ModelRewrite, type Rewrite, StreamModelRewrite } from '../answer/model-rewrite.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import { PlainRelay } from '../answer/plain-relay.ts'
import { streamProtocolOf } from '../protocol/protocol-of.ts'
import type { ReceivedRequest } from '../body/received.ts'
import type { StreamProtocol } from '../protocol/stream-protocol.ts'
import { type AnswerSink, errorOfEnd, isBrokenEnd, type Relay, type RelayEnd } from '../answer/relay.ts'
import { StreamRelay } from '../answer/stream-relay.ts'
import type { SentAttempt } from './attempt.ts'
import { isServed, requestOutcomeOf, type Reply } from './reply.ts'

/** Told of the first 4 KiB of an answer, one character each byte, before its last byte goes out. */
export type RelayListener = (head: string) => void

/** An attempt's answer on its way to the client. */
export class AttemptRelay implements AnswerSink {
  readonly stage = 'relaying'
  readonly attempt: SentAttempt
  readonly status: number
  readonly headers: string[]
  readonly rewrite: Rewrite | null
  readonly #reply: Reply
  readonly #received: ReceivedRequest
  readonly #onEnd: RelayListener | null
  readonly #relay: Relay

  constructor(attempt: SentAttempt, reply: Reply, received: ReceivedRequest, onEnd: RelayListener | null) {
    const { call } = attempt
    this.attempt = attempt
    this.status = call.status
    this.headers = passedHeaders(attempt)
    this.#reply = reply
    this.#received = received
    this.#onEnd = onEnd
    this.rewrite = reply.usage.route?.rewritesModel ? modelRewrite(reply.usage.route, call.isStream) : null
    reply.addOwnHeaders(this.headers, attempt)
    const { operation } = reply
    const protocol = streamProtocolOf(operation)
    this.#relay = call.isStream ? this.#relayStream(protocol) : new PlainRelay(call, this, operation.usage, protocol)
  }

  get exchange(): Exchange {
    return this.#reply.exchange
  }

  /** The gateway is closing and waits no longer. */
  cut(): void {
    this.#relay.cut()
  }

  /** The client has left. */
  cancel(): void {
    this.#end('CANCELLED', this.exchange.status || this.status, null, () => {})
  }

  beforeLastByte(end: RelayEnd, release: () => void): void {
    const { attempt, status } = this
    const { call, permit } = attempt
    this.#onEnd?.(this.#relay.reading.bytes.head())
    if (end === 'whole') permit.complete(status)
    // What the client caused, or the end of a request's time, says nothing about the upstream; an error has been counted by its status.
    else if (status < 400 && (end === 'broken' || end === 'failed' || end === 'silent')) {
      attempt.observe(classifyFailure(end === 'silent'))
      attempt.error ??= call.failure ?? 'the answer broke off'
    }
    attempt.endedAtMs = call.endedAtMs
    const tokenEnd = call.isStream && isBrokenEnd(end) ? errorOfEnd[end] : null
    this.#end(this.#requestOutcomeOf(end), status, tokenEnd, release)
    if (!call.isOpen) permit[Symbol.dispose]()
  }

  #relayStream(protocol: StreamProtocol): StreamRelay {
    const { operation, usage } = this.#reply
    return new StreamRelay(this.attempt.call, this, {
      protocol,
      usage: operation.usage,
      dropsUsageEvent: this.attempt.addsUsage,
      errorEvent: (code, lastNumber) => errorEvent(code, operation, usage.id, lastNumber),
    })
  }

  #requestOutcomeOf(end: RelayEnd): RequestOutcome {
    const { attempt, status } = this
    // Of an error more cannot be expected than its status.
    if (end === 'whole' || status >= 400) return requestOutcomeOf(attempt)
    return end === 'refused' && attempt.call.errorEvent ? 'CLIENT_ERROR' : 'TRUNCATED'
  }

  #end(outcome: RequestOutcome, status: number, errorCode: string | null, release: () => void): void {
    const firstByteAtMs = this.#relay.firstByteAtMs || (isServed(outcome) ? monotonicMs() : 0)
    this.#reply.end({ outcome, status, errorCode, firstByteAtMs, answer: this.#passedAnswer(outcome, status) }, release)
  }

  /** Only what was answered takes tokens: no errors, no redirects. */
  #passedAnswer(outcome: RequestOutcome, status: number): PassedAnswer | null {
    const isContent = status < 300 && status !== 204 && outcome !== 'CLIENT_ERROR' && outcome !== 'UPSTREAM_ERROR'
    if (!isContent) return null
    return {
      operation: this.#reply.operation,
      isStream: this.attempt.call.isStream,
      reading: this.#relay.reading,
      isWhole: isServed(outcome),
      request: this.#received,
    }
  }
}

/** The answer's model is the route's name. */
function modelRewrite({ name }: Route, isStream: boolean): Rewrite {
  const model = Buffer.from(JSON.stringify(name))
  return isStream ? new StreamModelRewrite(model) : new ModelRewrite(model)
}

/** What the client sees of upstream's headers, to be added to. */
export function passedHeaders({ call, plan }: SentAttempt): string[] {
  if (!call.head) return []
  const names = passedNamesOf(plan.backend)
  return names ? call.head.passedWith(names.response) : call.head.passed.slice()
}
