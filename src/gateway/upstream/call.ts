import type { Timeouts } from '../../routing/config/configuration.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import type { StreamProtocol } from '../protocol/stream-protocol.ts'
import type { ServerSentEvent } from '../protocol/sse.ts'
import { failAlone, maxStagedBytes, passAnswers } from '../loop/phases.ts'
import { connectionFault } from './guarded-connector.ts'
import type { AnswerHead } from '../http1/client/answer-head.ts'
import { ContentDecoder, type DecodedReceiver, isDecodable } from './content-decoder.ts'
import { DeadlineWatch, type DeadlineHolder } from './deadline-watch.ts'
import type { AnswerReceiver, CallRequest, UpstreamExchange, UpstreamTransport } from '../http1/client/exchange.ts'
import { beginsEventStream } from './event-stream-bytes.ts'
import { maxErrorObjectBytes, PlainOpening } from './plain-opening.ts'
import { StreamOpening } from './stream-opening.ts'

/** Milliseconds. */
export type CallTimeouts = Pick<Timeouts, 'connectMs' | 'firstByteMs' | 'answerMs' | 'idleMs'>

/** What a call is expected to bring. */
export interface CallExpectation {
  readonly timeouts: CallTimeouts
  /** What is left of the request's time. */
  readonly leftMs: number
  readonly wantsStream: boolean
  readonly protocol: StreamProtocol
}

/**
 * How a call went up to the first byte of its answer.
 *
 * `answering`: there is a status and the first bytes of a body, or all of an empty one; of a stream, its first event with
 * content. Nothing of it was passed on yet. `failedStream`: a stream that began with an error. `expired`: the whole
 * request has no time left.
 */
export type CallOpening =
  | 'answering'
  | 'failedStream'
  | 'connectTimeout'
  | 'firstByteTimeout'
  | 'expired'
  | 'unreachable'

/** Who made the call. */
export interface CallOwner {
  /** Called once, not before the call is made and not if it is abandoned before; then the answer is for `read` to take. */
  onOpening(call: UpstreamCall, opening: CallOpening): void
  /** More of an answer that has begun came. */
  onBytes(): void
  /** Something threw while the answer was read, which is the gateway's own fault. The call is abandoned. */
  onFault(error: unknown): void
}

/** Who takes the rest of an answer. */
export interface AnswerReader {
  /** More is in `takeChunks`. Called once for what one tick brings. */
  onData(): void
  onEnd(): void
  /** Upstream broke off, fell silent for `idleMs`, or the request has no time left. */
  onBroken(reason: 'broken' | 'silent' | 'expired'): void
}

/** What may be an error is read whole before anything is decided, if it is no longer and no slower than this. */
const maxErrorBytes = 256 * 1024
const maxErrorMs = 1_000
/** So long white space alone is held back, which some servers send until they have an answer. Then it shows that it is waited for. */
const maxBlankMs = 10_000

/** Of all calls of the process. */
const deadlineWatch = new DeadlineWatch()

/** One call of one upstream: sends the request, keeps its deadlines, and holds the answer back until it has truly begun. */
export class UpstreamCall implements AnswerReceiver, DecodedReceiver, DeadlineHolder {
  indexInSet = -1
  /** No later than the next deadline: that nothing is due yet costs but a look. */
  dueAtMs: number
  readonly startedAtMs = monotonicMs()
  /** 0: none came. */
  status = 0
  head: AnswerHead | null = null
  isStream = false
  /** What a `failedStream` began with; null: it ended without any content. */
  errorEvent: ServerSentEvent | null = null
  /** The answer came whole. */
  isComplete = false
  /** Why there is no answer, for the log: the code or name of an error, never its message, which may quote the request. */
  failure: string | null = null
  /** When its last byte came, or it failed (`monotonicMs`). */
  endedAtMs = 0

  readonly #expectation: CallExpectation
  readonly #expiresAtMs: number
  readonly #owner: CallOwner
  #opening: CallOpening | null = null
  /** Null: there is none yet, or none any more; what it was now carries another call. */
  #exchange: UpstreamExchange | null = null
  #stage: 'connecting' | 'waiting' | 'opening' | 'answering' | 'over' = 'connecting'
  /** The client wanted a stream, and too little came to see whether this is one. */
  #isUnsureOfStream = false
  #streamOpening: StreamOpening | null = null
  #plainOpening: PlainOpening | null = null
  /** Null: the answer came as it was asked for, without compression. */
  #decoder: ContentDecoder | null = null
  #chunks: Buffer[] = []
  /** Of all `#chunks`. */
  #heldBytes = 0
  #reader: AnswerReader | null = null
  #flushing: 'no' | 'staged' | 'now' = 'no'
  #brokenBy: 'broken' | 'silent' | 'expired' | null = null
  #connectingSinceMs: number
  #waitingSinceMs: number
  /** What may be an error is not waited for any longer than this; 0: it is no error. */
  #decidesAtMs = 0
  #lastByteAtMs = 0
  #isPaused = false
  #isAbandoned = false

  constructor(expectation: CallExpectation, owner: CallOwner) {
    this.#expectation = expectation
    this.#expiresAtMs = this.startedAtMs + expectation.leftMs
    this.#owner = owner
    this.#connectingSinceMs = this.startedAtMs
    this.#waitingSinceMs = this.startedAtMs
    this.dueAtMs = this.#nextDeadline()
  }

  /** Makes the call; once. */
  send(transport: UpstreamTransport, request: CallRequest): void {
    deadlineWatch.add(this)
    const exchange = transport.dispatch(request, this)
    if (this.#stage !== 'over') this.#exchange = exchange
  }

  /** The part of the answer that came since it was last taken. */
  takeChunks(): Buffer[] {
    const chunks = this.#chunks
    this.#chunks = []
    this.#heldBytes = 0
    return chunks
  }

  /** Whether upstream broke the answer off before any of it was read. */
  get isBroken(): boolean {
    return this.#brokenBy !== null
  }

  /** Whether a page came in the place of an answer: it is a proxy's, or a console's that takes every path. */
  get isPage(): boolean {
    return this.head !== null && !this.isStream && isPage(this.head)
  }

  /** Bytes of the body, as the client gets it; null: unknown. */
  get bodyLength(): number | null {
    return this.#decoder ? null : (this.head?.contentLength ?? null)
  }

  /** Whether more of the answer may come. */
  get isOpen(): boolean {
    return !this.isComplete && this.#stage !== 'over'
  }

  /** All that came so far and was not taken. */
  peekChunks(): readonly Buffer[] {
    return this.#chunks
  }

  /** Hands the answer over; to be called by the owner from within `onOpening`. */
  read(reader: AnswerReader): void {
    this.#reader = reader
  }

  /** Holds upstream back while the client is slow. */
  pause(): void {
    this.#isPaused = true
    this.#decoder?.pause()
    this.#exchange?.pause()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#lastByteAtMs = monotonicMs()
    this.#decoder?.resume()
    this.#exchange?.resume()
  }

  /** Abandons it for a fault of the gateway: thrown on, that would end the process and not only this request. */
  fail(error: unknown): void {
    this.abandon()
    this.#owner.onFault(error)
  }

  /** Closes the connection; nothing is called any more. */
  abandon(): void {
    this.#reader = null
    this.#isAbandoned = true
    this.#close()
  }

  onSending(): void {
    this.#stage = 'waiting'
    this.#watch()
  }

  onResend(exchange: UpstreamExchange): void {
    if (this.#stage === 'over') return exchange.abort()
    this.#exchange = exchange
    this.#stage = 'connecting'
    this.#connectingSinceMs = monotonicMs()
    this.#watch()
  }

  /** The upload may take its time: the wait for the answer begins behind it. */
  onSent(): void {
    this.#waitingSinceMs = monotonicMs()
  }

  onHead(head: AnswerHead): void {
    if (this.#stage === 'over') return
    this.head = head
    this.status = head.status
    this.#lastByteAtMs = monotonicMs()
    this.#stage = 'opening'
    if (head.encoding !== '' && isDecodable(head.encoding)) this.#decode(head)
    this.isStream = head.status < 300 && isEventStream(head)
    if (this.isStream) this.#streamOpening = new StreamOpening(this.#expectation.protocol)
    else if (this.#expectation.wantsStream && head.status < 300 && head.encoding === '') this.#isUnsureOfStream = true
    if (head.status >= 300 || (isPage(head) && !this.#isUnsureOfStream)) this.#decideIn(maxErrorMs)
    else this.#watch()
  }

  /** It was asked not to compress; compressed, neither errors nor usage could be read. */
  #decode(head: AnswerHead): void {
    this.#decoder = new ContentDecoder(head.encoding, this)
    head.encoding = ''
    head.dropEncoding()
  }

  onBody(chunk: Buffer): void {
    if (this.#stage === 'over') return
    if (!this.#decoder) return this.onDecoded(chunk)
    const isRoomy = this.#decoder.write(chunk, () => {
      if (!this.#isPaused) this.#exchange?.resume()
    })
    if (!isRoomy) this.#exchange?.pause()
  }

  onDecoded(chunk: Buffer): void {
    if (this.#stage === 'over') return
    this.#chunks.push(chunk)
    this.#heldBytes += chunk.length
    if (this.#stage === 'answering') this.#flushSoon()
    else if (this.#streamOpening) this.#tryReadOpening(this.#streamOpening, chunk)
    else if (this.#isUnsureOfStream) this.#askBytes()
    else this.#readPlainOpening(chunk)
  }

  /** The client wanted a stream, and the content type names none. */
  #askBytes(): void {
    const isStream = beginsEventStream(this.#chunks)
    if (isStream === undefined) return
    this.#isUnsureOfStream = false
    const begun = Buffer.concat(this.#chunks)
    if (!isStream) return this.#readPlainOpening(begun)
    this.isStream = true
    this.head!.nameEventStream()
    this.#streamOpening = new StreamOpening(this.#expectation.protocol)
    this.#tryReadOpening(this.#streamOpening, begun)
  }

  /** What may be an error is waited for, to the end of it. */
  #readPlainOpening(chunk: Buffer): void {
    if (this.status >= 300 || this.isPage) {
      if (this.#heldBytes > maxErrorBytes) this.#begin('answering')
      else this.#decideIn(maxErrorMs)
      return
    }
    this.#plainOpening ??= new PlainOpening()
    const beginning = this.#plainOpening.push(chunk)
    if (beginning === 'answer' || this.#heldBytes > maxErrorObjectBytes) this.#begin('answering')
    else this.#decideIn(beginning === 'blank' ? maxBlankMs : maxErrorMs)
  }

  /** At the latest: it may have to be sooner by what came before. */
  #decideIn(ms: number): void {
    const atMs = monotonicMs() + ms
    if (this.#decidesAtMs > 0 && this.#decidesAtMs <= atMs) return
    this.#decidesAtMs = atMs
    this.#watch()
  }

  onEnd(): void {
    this.#exchange = null
    if (this.#stage === 'over') return
    if (this.#decoder) this.#decoder.end()
    else this.onDecodedEnd()
  }

  onUndecodable(error: Error): void {
    if (this.#stage === 'over') return
    this.failure = connectionFault(error)
    this.#break('broken', 'unreachable')
  }

  onDecodedEnd(): void {
    if (this.#stage === 'over') return
    this.isComplete = true
    this.endedAtMs = monotonicMs()
    deadlineWatch.delete(this)
    if (this.#stage === 'answering') this.#flushSoon()
    else if (this.#streamOpening) this.#endOpening(this.#streamOpening)
    else this.#begin('answering')
  }

  onFailure(error: Error): void {
    this.#exchange = null
    if (this.#stage === 'over') return
    this.failure = connectionFault(error)
    this.#break('broken', 'unreachable')
  }

  #tryReadOpening(opening: StreamOpening, chunk: Buffer): void {
    try {
      this.#readOpening(opening, chunk)
    } catch (error) {
      failAlone(this, error)
    }
  }

  #readOpening(opening: StreamOpening, chunk: Buffer): void {
    this.#lastByteAtMs = monotonicMs()
    const meaning = opening.push(chunk)
    if (meaning === 'content') this.#begin('answering')
    if (meaning === 'error' || meaning === 'over') this.#failStream(opening)
  }

  #endOpening(opening: StreamOpening): void {
    if (opening.end() === 'content') this.#begin('answering')
    else this.#failStream(opening)
  }

  #failStream({ errorEvent }: StreamOpening): void {
    if (errorEvent) this.failure = 'error event'
    this.errorEvent = errorEvent
    this.#begin('failedStream')
  }

  #begin(opening: 'answering' | 'failedStream'): void {
    this.#stage = 'answering'
    this.#streamOpening = null
    this.#opening = opening
    if (!this.isComplete) this.#watch()
    this.#flushSoon()
  }

  #flushSoon(): void {
    if (this.#flushing === 'no') {
      this.#flushing = 'staged'
      passAnswers.add(this)
    }
    // A slow client has to hold upstream back before more comes.
    if (this.#flushing === 'staged' && this.#heldBytes > maxStagedBytes) {
      this.#flushing = 'now'
      process.nextTick(flush, this)
    }
  }

  /** Called once or twice for all that a turn brought. */
  flush(): void {
    if (this.#flushing === 'no') return
    this.#flushing = 'no'
    try {
      this.#flush()
    } catch (error) {
      failAlone(this, error)
    }
  }

  #flush(): void {
    this.#tellOpening()
    if (!this.#reader) return
    if (this.#chunks.length > 0) {
      this.#lastByteAtMs = monotonicMs()
      this.#owner.onBytes()
      this.#reader.onData()
    }
    if (this.isComplete) {
      this.#stage = 'over'
      this.#reader?.onEnd()
    } else if (this.#brokenBy) this.#reader?.onBroken(this.#brokenBy)
  }

  #tellOpening(): void {
    const opening = this.#opening
    if (opening === null || this.#isAbandoned) return
    this.#opening = null
    this.#owner.onOpening(this, opening)
  }

  /** Ends the call from below: `opening` says how if the answer had not begun. An error's status is an answer without its body. */
  #break(by: 'broken' | 'silent' | 'expired', opening: CallOpening): void {
    const isError = this.#stage === 'opening' && this.#decidesAtMs > 0 && by === 'broken'
    if (this.#stage === 'answering' || isError) this.#brokenBy = by
    if (this.#stage !== 'answering') this.#opening = isError ? 'answering' : opening
    this.#close()
    this.#flushSoon()
  }

  #close(): void {
    if (this.#stage === 'over') return
    this.#stage = 'over'
    this.endedAtMs = monotonicMs()
    deadlineWatch.delete(this)
    this.#decoder?.close()
    this.#exchange?.abort()
    this.#exchange = null
  }

  /** A deadline may have come nearer. */
  #watch(): void {
    this.dueAtMs = Math.min(this.dueAtMs, this.#nextDeadline())
  }

  /** The request's time bounds the wait for an answer, and no answer that has begun. */
  #nextDeadline(): number {
    return this.#hasBegun ? this.#stageDeadline() : Math.min(this.#expiresAtMs, this.#stageDeadline())
  }

  /** Of a stream, content came; of a plain answer, its head. */
  get #hasBegun(): boolean {
    return this.#stage === 'answering' || (this.#stage === 'opening' && !this.isStream && !this.#isUnsureOfStream)
  }

  #stageDeadline(): number {
    const { wantsStream, timeouts } = this.#expectation
    const { connectMs, firstByteMs, answerMs, idleMs } = timeouts
    switch (this.#stage) {
      case 'connecting':
        return this.#connectingSinceMs + connectMs
      case 'waiting':
        return this.#waitingSinceMs + (wantsStream ? firstByteMs : answerMs)
      case 'opening':
        if (this.#decidesAtMs > 0) return this.#decidesAtMs
        return this.#lastByteAtMs + (this.isStream || this.#isUnsureOfStream ? firstByteMs : idleMs)
      case 'answering':
      case 'over':
        return this.#isPaused ? monotonicMs() + idleMs : this.#lastByteAtMs + idleMs
    }
  }

  /** Is a deadline over, or only the one that was the next when it was set? */
  checkDeadlines(nowMs: number): void {
    this.dueAtMs = this.#nextDeadline()
    if (nowMs < this.dueAtMs) return
    if (nowMs >= this.#expiresAtMs && !this.#hasBegun) return this.#break('expired', 'expired')
    switch (this.#stage) {
      case 'connecting':
        this.failure = 'connect timeout'
        return this.#break('broken', 'connectTimeout')
      case 'waiting':
        this.failure = this.#expectation.wantsStream ? 'first byte timeout' : 'answer timeout'
        return this.#break('broken', 'firstByteTimeout')
      case 'opening':
        // The status of an error is known; its body is not worth more time.
        if (this.#decidesAtMs > 0) return this.#begin('answering')
        this.failure = 'first byte timeout'
        return this.#break('broken', 'firstByteTimeout')
      case 'answering':
        this.failure = 'idle timeout'
        return this.#break('silent', 'firstByteTimeout')
      case 'over':
    }
  }
}

function flush(call: UpstreamCall): void {
  call.flush()
}

/** No operation answers with one. */
function isPage({ status, contentType }: AnswerHead): boolean {
  return status < 300 && /^text\/html\b/i.test(contentType)
}

/** What is coded in a way that cannot be read passes as any other body. */
function isEventStream({ encoding, contentType }: AnswerHead): boolean {
  return encoding === '' && /^text\/event-stream\b/i.test(contentType)
}
