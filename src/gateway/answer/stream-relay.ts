import type { GatewayErrorCode } from '../../routing/errors/gateway-errors.ts'
import type { UsageKind } from '../../routing/vendors/operation.ts'
import { LongEvent } from './long-event.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import { PendingBytes } from '../loop/pending-bytes.ts'
import type { EndingEvent, StreamProtocol } from '../protocol/stream-protocol.ts'
import {
  type AnswerSink,
  type BrokenEnd,
  errorOfEnd,
  join,
  lastPart,
  type Relay,
  type RelayEnd,
  writePart,
} from './relay.ts'
import {
  firstEventEnd,
  idleLinesLength,
  placeToGoOn,
  readEvent,
  type ServerSentEvent,
  wholeEventsLength,
} from '../protocol/sse.ts'
import { isHalfEvent, streamEndOf } from './stream-end.ts'
import { StreamReading } from './stream-reading.ts'
import type { AnswerReader, UpstreamCall } from '../upstream/call.ts'

export interface StreamOptions {
  readonly protocol: StreamProtocol
  readonly usage: UsageKind
  /** Whether to keep the extra event with the usage from the client. */
  readonly dropsUsageEvent: boolean
  /** The event that ends a stream which upstream did not finish. `lastNumber`: that of the last event before it; null: it has none. */
  readonly errorEvent: (code: GatewayErrorCode, lastNumber: number | null) => Buffer
}

const byteOrderMark = Buffer.from('\uFEFF')

/** Behind fewer bytes the number of the last event is among those that are kept. */
const nearBytes = 4 * 1024

/** A longer event is passed on in pieces, as it comes: images and audio are whole events of megabytes. */
const maxHeldEventBytes = 64 * 1024
/** Where an event may have to be kept from the client, it has to be read whole, and is seldom so long. */
const maxHeldUsageEventBytes = 1024 * 1024
/** How long an event that may be the last one waits for what follows it, so that the record is written before a stream ends. */
const lastEventMs = 100

/**
 * Passes a stream on event by event, each as it arrives. A stream that breaks off ends with an error event in the client's
 * protocol, unless upstream has sent one; half an event, which no client could read, is left out.
 */
export class StreamRelay implements AnswerReader, Relay {
  readonly reading: StreamReading
  firstByteAtMs = 0
  readonly #call: UpstreamCall
  readonly #sink: AnswerSink
  readonly #options: StreamOptions
  /** The beginning of an event whose end has not come. */
  readonly #rest = new PendingBytes()
  /** Up to here it was looked through. */
  #searched = 0
  /** The event that was too long to hold, and of which the client has the beginning. */
  #long: LongEvent | null = null
  /** Of a long event all has come, and the client has it, but for the empty line that ends it. */
  #lacksEmptyLine = false
  /** What may be the stream's last event. */
  #held: Buffer[] = []
  #heldTimer: NodeJS.Timeout | null = null
  #isEnding = false
  /** What goes out last: nothing, the event that ends the stream and what came behind it, or an error event. */
  #last: Buffer[] = []
  #isReleased = false
  #isUpstreamOver = false
  /** That of the last event, as of when so much came that it is no longer among the last bytes. */
  #number: number | null = null

  constructor(call: UpstreamCall, sink: AnswerSink, options: StreamOptions) {
    this.#call = call
    this.#sink = sink
    this.#options = options
    this.reading = new StreamReading(options.usage, options.protocol, options.dropsUsageEvent)
    call.read(this)
  }

  onData(): void {
    const came = join(this.#call.takeChunks())
    const bytes = this.reading.bytes.total === 0 ? this.#withoutLateMark(came) : came
    if (bytes.length > nearBytes) this.#rememberNumber()
    this.reading.bytes.add(bytes)
    this.#letHeldGo()
    if (this.#rest.bytes.length === 0) {
      const length = wholeEventsLength(bytes)
      if (length === bytes.length) return this.#takeWhole(bytes)
    }
    if (this.#rest.bytes.length < nearBytes) this.#rememberNumber()
    this.#rest.append(bytes)
    const all = this.#rest.bytes
    const length = wholeEventsLength(all, this.#searched)
    if (length > 0) {
      this.#rest.take(length)
      this.#takeWhole(all.subarray(0, length))
    }
    this.#hold()
  }

  /** Behind signs of life a byte order mark is no longer at the stream's begin, and a client would take it for part of a field's name. */
  #withoutLateMark(first: Buffer): Buffer {
    const isLate = this.#sink.exchange.status > 0 && first.indexOf(byteOrderMark) === 0
    return isLate ? first.subarray(byteOrderMark.length) : first
  }

  onEnd(): void {
    this.#isUpstreamOver = true
    this.#endWithout('broken')
  }

  onBroken(reason: 'broken' | 'silent' | 'expired'): void {
    this.#break(reason)
  }

  cut(): void {
    this.#call.abandon()
    this.#break('cut')
  }

  #break(end: BrokenEnd): void {
    const wasClean = this.#isUpstreamOver
    this.#isUpstreamOver = true
    if (!wasClean) this.#endWithout(end)
  }

  /** Called at the end of a stream, whose last event may lack its empty line or be missing. */
  #endWithout(end: BrokenEnd): void {
    if (this.#isEnding) return this.#endBehindEnd()
    this.#endRest()
    if (this.#isEnding) return
    if (this.#hasAll(end)) {
      this.#last.push(...this.#takeHeld())
      return this.#finish('whole')
    }
    if (this.#heldTimer) this.#letHeldGo()
    // The event that the client has already must end, or the error event would be a part of it.
    if (this.#long || this.#lacksEmptyLine) this.#last.push(this.#rest.bytes, Buffer.from('\n\n'))
    this.#last.push(this.#options.errorEvent(errorOfEnd[end], this.#lastNumber()))
    this.#finish(end)
  }

  /** What stands behind the event that ended the stream needs no empty line. */
  #endBehindEnd(): void {
    const rest = this.#takeRest(this.#rest.bytes.length)
    const read = rest.length > 0 && !this.#long ? this.reading.take(rest) : null
    if (read) this.#last.push(...read.before, ...read.after)
    else if (rest.length > 0) this.#last.push(rest)
    this.#endIfReleased()
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
      this.#sink.exchange.end(lastPart(last, this.#sink.rewrite))
    } else if (last.length > 0) this.#write(join(last))
  }

  /** No event has ended: what came is kept until one has, or goes out in pieces. Comments are part of none. */
  #hold(): void {
    const idle = this.#long ? 0 : idleLinesLength(this.#rest.bytes)
    if (idle > 0) this.#passIdle(this.#takeRest(idle))
    const all = this.#rest.bytes
    this.#searched = placeToGoOn(all)
    const max = this.#options.dropsUsageEvent ? maxHeldUsageEventBytes : maxHeldEventBytes
    if (all.length <= max) return
    // Its last bytes may be half of the empty line that ends it.
    const piece = this.#takeRest(all.length - 3)
    this.#letHeldGo()
    this.#long ??= new LongEvent(this.#options.protocol.shape)
    this.#long.push(piece)
    this.#pass(piece)
    this.#searched = 0
  }

  /** Comments behind what may be the last event wait with it, and do not overtake it. */
  #passIdle(lines: Buffer): void {
    if (this.#heldTimer) this.#held.push(lines)
    else this.#pass(lines)
  }

  #takeRest(length: number): Buffer {
    const bytes = this.#rest.bytes.subarray(0, length)
    this.#rest.take(length)
    return bytes
  }

  #takeWhole(events: Buffer): void {
    this.#searched = 0
    if (!this.#long) return this.#take(events)
    const length = firstEventEnd(events)
    this.#long.push(events.subarray(0, length))
    this.#endLong(events.subarray(0, length))
    if (length < events.length) this.#take(events.subarray(length))
  }

  /** `bytes`: the last ones of a long event. */
  #endLong(bytes: Buffer): void {
    const event = this.#long!.end()
    this.#long = null
    const number = event.json?.['sequence_number']
    if (typeof number === 'number') this.#number = number
    this.reading.addUsage(event)
    const ending = this.reading.follower.read(event)
    if (ending && !this.#isEnding) this.#endWith([bytes], ending, event)
    else this.#pass(bytes)
  }

  #take(events: Buffer): void {
    this.#letHeldGo()
    if (events.length > nearBytes || this.#rest.bytes.length > nearBytes)
      this.#readNumber(events.toString('latin1', 0, events.length))
    const read = this.reading.take(events)
    if (!read) return this.#pass(events)
    if (this.#isEnding) return this.#passAll([...read.before, ...read.after])
    this.#passAll(read.before)
    if (read.end) this.#endWith(read.after, read.end, read.event!)
  }

  #passAll(pieces: readonly Buffer[]): void {
    if (pieces.length > 0) this.#pass(join(pieces))
  }

  #endWith(last: readonly Buffer[], ending: EndingEvent, event: ServerSentEvent): void {
    if (ending === 'perhaps') return this.#holdLast(last)
    this.#last.push(...last)
    const end = streamEndOf(ending, event)
    if (end === 'failed') this.#call.failure = 'error event'
    this.#finish(end)
  }

  /** An event that ends the stream unless another follows: a client that waits for it must not wait long. */
  #holdLast(last: readonly Buffer[]): void {
    this.#held.push(...last)
    this.#heldTimer ??= setTimeout(() => this.#tryLetHeldGo(), lastEventMs)
  }

  /** Thrown from a timer, a fault would end the process and not only this request. */
  #tryLetHeldGo(): void {
    try {
      this.#letHeldGo()
    } catch (error) {
      this.#call.fail(error)
    }
  }

  #letHeldGo(): void {
    if (this.#heldTimer) this.#passAll(this.#takeHeld())
  }

  #takeHeld(): Buffer[] {
    if (this.#heldTimer) clearTimeout(this.#heldTimer)
    this.#heldTimer = null
    const held = this.#held
    this.#held = []
    return held
  }

  #pass(bytes: Buffer): void {
    if (this.#isEnding && !this.#isReleased) this.#last.push(bytes)
    else this.#write(bytes)
  }

  /** An event that lacks its empty line, behind which nothing comes: it may be the one that ends the stream, and half of one is none. */
  #endRest(): void {
    const rest = this.#rest.bytes
    // The carriage return could have been half a line end: now it is one, of an empty line.
    if (rest.length > 1 && rest.toString('latin1', rest.length - 2) === '\n\r')
      return this.#takeWhole(this.#takeRest(rest.length))
    if (this.#long) return this.#endRestOfLong(this.#long, rest)
    if (rest.length === 0 || isHalfEvent(readEvent(rest))) return
    this.#letHeldGo()
    const read = this.reading.take(this.#takeRest(rest.length))
    const pieces = read ? [...read.before, ...read.after] : [rest]
    if (read?.end && read.end !== 'perhaps') this.#endWith(pieces, read.end, read.event!)
    else this.#held.push(...pieces)
  }

  #endRestOfLong(long: LongEvent, rest: Buffer): void {
    long.push(rest)
    if (!long.isWhole) return
    this.#endLong(this.#takeRest(rest.length))
    this.#lacksEmptyLine = true
  }

  /** Whether a stream without an event that ends it came to its end all the same. */
  #hasAll(end: BrokenEnd): boolean {
    const { follower, bytes } = this.reading
    const half = this.#rest.bytes
    if (this.#long) return false
    if (follower.hasToldEnd) return half.length === 0 || follower.mayEndBefore(half.toString('latin1', 0, half.length))
    return end === 'broken' && this.#call.isComplete && half.length === 0 && follower.mayEndWith(bytes.ends(0))
  }

  // ── numbers ──

  /** Much is about to come. */
  #rememberNumber(): void {
    if (this.#options.protocol.numbersEvents && !this.#long) this.#readNumber(this.#lastPassed())
  }

  #readNumber(events: string): void {
    if (this.#options.protocol.numbersEvents) this.#number = lastNumberIn(events) ?? this.#number
  }

  /** Of the last whole event; null: none had one. */
  #lastNumber(): number | null {
    this.#rememberNumber()
    return this.#number
  }

  #lastPassed(): string {
    return this.reading.bytes.last(this.#rest.bytes.length)
  }

  #write(bytes: Buffer): void {
    this.#begin()
    writePart(bytes, this.#sink, this.#call)
  }

  #begin(): void {
    if (this.firstByteAtMs > 0) return
    this.firstByteAtMs = monotonicMs()
    const { exchange, status, headers } = this.#sink
    // A client that waited for long has the head already.
    if (exchange.status > 0) return
    // A proxy in between, such as nginx, would keep the events until it has a bufferful.
    exchange.begin(status, [...headers, 'x-accel-buffering', 'no'], null)
  }
}

/** Quoted in a text, the name would have a backslash before its quotes. */
function lastNumberIn(events: string): number | null {
  const last = [...events.matchAll(/"sequence_number"\s*:\s*(\d{1,15})\b/g)].at(-1)
  return last ? Number(last[1]) : null
}
