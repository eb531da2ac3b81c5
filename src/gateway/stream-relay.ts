import type { GatewayErrorCode } from '../routing/errors.ts'
import { AnswerBytes } from './answer-bytes.ts'
import { monotonicMs } from './monotonic.ts'
import { type AnswerSink, type BrokenEnd, errorOfEnd, join, type Relay, type RelayEnd, writePart } from './relay.ts'
import { firstEventEnd, wholeEventsLength } from './sse.ts'
import { endOfLongEvent, findStreamEnd, isHalfEvent, isWholeEnd, type StreamEnd } from './stream-end.ts'
import type { StreamProtocol } from './stream-protocol.ts'
import type { AnswerReader, UpstreamCall } from './upstream/call.ts'
import { withoutUsageEvents } from './usage-event.ts'

export interface StreamOptions {
  readonly protocol: StreamProtocol
  /** Whether to keep the extra event with the usage from the client. */
  readonly dropsUsageEvent: boolean
  /** The event that ends a stream which upstream did not finish. `passed`: the last bytes before it, one character each. */
  readonly errorEvent: (code: GatewayErrorCode, passed: string) => Buffer
}

/** A longer event is passed on in pieces, as it comes: images and audio are whole events of megabytes. */
const maxHeldEventBytes = 64 * 1024

const none = Buffer.alloc(0)

/**
 * Passes a stream on event by event, each as it arrives. A stream that breaks off ends with an error event in the client's
 * protocol, unless upstream has sent one; half an event, which no client could read, is left out.
 */
export class StreamRelay implements AnswerReader, Relay {
  readonly bytes = new AnswerBytes()
  firstByteAtMs = 0
  readonly #call: UpstreamCall
  readonly #sink: AnswerSink
  readonly #options: StreamOptions
  /** The beginning of an event whose end has not come. */
  #rest: Buffer = none
  /** The event that was too long to hold, and of which the client has the beginning; `end`: how it ends the stream. */
  #long: { readonly end: StreamEnd | null } | null = null
  #isEnding = false
  /** What goes out last: nothing, the event that ends the stream and what came behind it, or an error event. */
  #last: Buffer[] = []
  #isReleased = false
  #isUpstreamOver = false

  constructor(call: UpstreamCall, sink: AnswerSink, options: StreamOptions) {
    this.#call = call
    this.#sink = sink
    this.#options = options
    call.read(this)
  }

  onData(): void {
    const bytes = join(this.#call.takeChunks())
    this.bytes.add(bytes)
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes
    const length = wholeEventsLength(all)
    if (length === 0) return this.#hold(all)
    this.#rest = length === all.length ? none : all.subarray(length)
    const events = length === all.length ? all : all.subarray(0, length)
    if (this.#long) this.#endLong(events, this.#long.end)
    else this.#take(events)
  }

  onEnd(): void {
    this.#isUpstreamOver = true
    if (this.#isEnding) return this.#endIfReleased()
    if (!this.#hasAll()) return this.#break('broken')
    const rest = this.#withoutUsage(this.#rest)
    if (rest.length > 0 && !isHalfEvent(rest)) this.#last.push(rest)
    this.#finish('whole')
  }

  onBroken(reason: 'broken' | 'silent' | 'expired'): void {
    this.#break(reason)
  }

  cut(): void {
    this.#call.abandon()
    this.#break('cut')
  }

  #break(end: BrokenEnd): void {
    this.#isUpstreamOver = true
    if (this.#isEnding) return this.#endIfReleased()
    // The half event that the client has already must end, or the error event would be a part of it.
    if (this.#long) this.#last.push(Buffer.from('\n\n'))
    this.#last.push(this.#options.errorEvent(errorOfEnd[end], this.bytes.last(this.#rest.length)))
    this.#finish(end)
  }

  /** From here on only `#last` and what follows it goes out, and not before the record is written. */
  #finish(end: RelayEnd): void {
    this.#isEnding = true
    this.#sink.beforeLastByte(end, () => {
      this.#isReleased = true
      this.#endIfReleased()
    })
  }

  #endIfReleased(): void {
    if (!this.#isReleased) return
    const last = this.#last
    this.#last = []
    if (this.#isUpstreamOver) {
      this.#begin()
      this.#sink.exchange.end(last.length > 0 ? join(last) : undefined)
    } else if (last.length > 0) this.#write(join(last))
  }

  /** No event has ended: what came is kept until one has, or goes out in pieces. */
  #hold(all: Buffer): void {
    if (all.length <= maxHeldEventBytes) {
      this.#rest = all
      return
    }
    // Its last bytes may be half of the empty line that ends it.
    const piece = all.subarray(0, all.length - 3)
    this.#rest = all.subarray(all.length - 3)
    this.#long ??= { end: endOfLongEvent(piece, this.#options.protocol) }
    this.#pass(piece)
  }

  /** The rest of a long event, and whole ones behind it. */
  #endLong(events: Buffer, end: StreamEnd | null): void {
    this.#long = null
    if (end && !this.#isEnding) return this.#endWith(events, end)
    const length = firstEventEnd(events)
    this.#pass(events.subarray(0, length))
    if (length < events.length) this.#take(events.subarray(length))
  }

  #take(whole: Buffer): void {
    const events = this.#withoutUsage(whole)
    if (events.length === 0) return
    const found = this.#isEnding ? null : findStreamEnd(events, this.#options.protocol)
    if (!found) return this.#pass(events)
    if (found.start > 0) this.#write(events.subarray(0, found.start))
    this.#endWith(events.subarray(found.start), found.end)
  }

  #withoutUsage(events: Buffer): Buffer {
    return this.#options.dropsUsageEvent ? withoutUsageEvents(events) : events
  }

  #endWith(last: Buffer, end: StreamEnd): void {
    this.#last.push(last)
    if (end === 'failed') this.#call.failure = 'error event'
    this.#finish(end)
  }

  #pass(bytes: Buffer): void {
    if (this.#isEnding && !this.#isReleased) this.#last.push(bytes)
    else this.#write(bytes)
  }

  /** Whether a stream without an event that ends it came to its end all the same. */
  #hasAll(): boolean {
    const { protocol } = this.#options
    if (this.#long) return false
    if (isWholeEnd(this.#rest, protocol)) return true
    return protocol.mayEndWith(this.bytes.ends(isHalfEvent(this.#rest) ? this.#rest.length : 0))
  }

  #write(bytes: Buffer): void {
    this.#begin()
    writePart(bytes, this.#sink.exchange, this.#call)
  }

  #begin(): void {
    if (this.firstByteAtMs > 0) return
    this.firstByteAtMs = monotonicMs()
    this.#sink.exchange.begin(this.#sink.status, this.#sink.headers, null)
  }
}
