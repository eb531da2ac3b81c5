import type { GatewayErrorCode } from '../routing/errors.ts'
import { AnswerBytes } from './answer-bytes.ts'
import { type AnswerSink, join, type Relay, type RelayEnd, writePart } from './relay.ts'
import { lastEventStart, readEvent, wholeEventsLength } from './sse.ts'
import type { StreamProtocol } from './stream-protocol.ts'
import type { AnswerReader, UpstreamCall } from './upstream/call.ts'
import { withoutUsageEvent } from './usage-event.ts'

export interface StreamOptions {
  readonly protocol: StreamProtocol
  /** Whether to keep the extra event with the usage from the client. */
  readonly dropsUsageEvent: boolean
  /** The event that ends a stream which upstream did not finish. */
  readonly errorEvent: (code: GatewayErrorCode) => Buffer
}

/** A longer event is passed on in pieces, as it comes: images and audio are whole events of megabytes. */
const maxHeldEventBytes = 64 * 1024

const markBytes = 100
const none = Buffer.alloc(0)

/**
 * Passes a stream on event by event, each as it arrives. A stream that breaks off ends with an error event in the client's
 * protocol; half an event, which no client could read, is left out.
 */
export class StreamRelay implements AnswerReader, Relay {
  readonly bytes = new AnswerBytes()
  firstByteAtMs = 0
  readonly #call: UpstreamCall
  readonly #sink: AnswerSink
  readonly #options: StreamOptions
  /** The beginning of an event whose end has not come. */
  #rest: Buffer = none
  /** The client has the beginning of an event that was too long to hold. */
  #isInsideEvent = false
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
    let events = this.#takeWhole(bytes)
    if (this.#options.dropsUsageEvent && !this.#isInsideEvent) events = withoutUsageEvent(events)
    if (events.length === 0) return
    if (this.#isEnding) return this.#pass(events)
    const end = this.#findEnd(events)
    if (end < 0) return this.#write(events)
    if (end > 0) this.#write(events.subarray(0, end))
    this.#last.push(events.subarray(end))
    this.#finish('whole')
  }

  onEnd(): void {
    this.#isUpstreamOver = true
    if (this.#isEnding) return this.#endIfReleased()
    if (this.#options.protocol.mayEndWith(this.bytes.tail() || this.bytes.head())) {
      if (this.#rest.length > 0) this.#last.push(this.#rest)
      this.#finish('whole')
    } else this.#break('broken', 'upstream_truncated')
  }

  onBroken(reason: 'broken' | 'silent' | 'expired'): void {
    if (reason === 'broken') this.#break('broken', 'upstream_truncated')
    else this.#break('late', 'upstream_timeout')
  }

  cut(): void {
    this.#call.abandon()
    this.#break('cut', 'shutting_down')
  }

  #break(end: RelayEnd, code: GatewayErrorCode): void {
    this.#isUpstreamOver = true
    if (this.#isEnding) return this.#endIfReleased()
    // The half event that the client has already must end, or the error event would be a part of it.
    if (this.#isInsideEvent) this.#last.push(Buffer.from('\n\n'))
    this.#last.push(this.#options.errorEvent(code))
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

  /** Behind the last event of a stream. */
  #pass(events: Buffer): void {
    if (this.#isReleased) this.#write(events)
    else this.#last.push(events)
  }

  /** The whole events of what came; the rest is kept until it is whole. */
  #takeWhole(bytes: Buffer): Buffer {
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes
    const length = wholeEventsLength(all)
    if (length === all.length) {
      this.#rest = none
      this.#isInsideEvent = false
      return all
    }
    if (length === 0 && all.length > maxHeldEventBytes) {
      this.#isInsideEvent = true
      // Its last bytes may be half of the empty line that ends it.
      this.#rest = all.subarray(all.length - 3)
      return all.subarray(0, all.length - 3)
    }
    this.#rest = all.subarray(length)
    if (length > 0) this.#isInsideEvent = false
    return all.subarray(0, length)
  }

  /** Where the event that ends the stream begins, or -1: it is not the last of these events. */
  #findEnd(events: Buffer): number {
    const { protocol } = this.#options
    if (this.#isInsideEvent) return -1
    if (protocol.endMark !== null) {
      const near = events.subarray(Math.max(0, events.length - markBytes))
      if (!near.includes(protocol.endMark, 0, 'latin1')) return -1
    }
    const start = lastEventStart(events)
    return protocol.isEnd(readEvent(events.subarray(start))) ? start : -1
  }

  #write(bytes: Buffer): void {
    this.#begin()
    writePart(bytes, this.#sink.exchange, this.#call)
  }

  #begin(): void {
    if (this.firstByteAtMs > 0) return
    this.firstByteAtMs = performance.now()
    this.#sink.exchange.begin(this.#sink.status, this.#sink.headers, null)
  }
}
