import type { UsageKind } from '../../routing/vendors/operation.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import { PlainReading } from './plain-reading.ts'
import type { StreamProtocol } from '../protocol/stream-protocol.ts'
import { type AnswerSink, join, lastPart, type Relay, type RelayEnd, writePart } from './relay.ts'
import type { AnswerReader, UpstreamCall } from '../upstream/call.ts'

/** Passes a body on as it arrives. If it breaks off, so does the connection: a cut body must never look whole. */
export class PlainRelay implements AnswerReader, Relay {
  readonly reading: PlainReading
  firstByteAtMs = 0
  readonly #call: UpstreamCall
  readonly #sink: AnswerSink
  /** The last bytes, once all have come. */
  #last: Buffer[] = []
  #isOver = false

  constructor(call: UpstreamCall, sink: AnswerSink, usage: UsageKind, protocol: StreamProtocol) {
    this.reading = new PlainReading(usage, protocol)
    this.#call = call
    this.#sink = sink
    call.read(this)
  }

  onData(): void {
    const chunks = this.#call.takeChunks()
    for (const chunk of chunks) this.reading.take(chunk)
    if (this.#call.isComplete) this.#last = chunks
    else this.#write(join(chunks))
  }

  onEnd(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#sink.beforeLastByte('whole', () => this.#end())
  }

  onBroken(reason: 'broken' | 'silent' | 'expired'): void {
    this.#break(reason)
  }

  cut(): void {
    this.#break('cut')
  }

  #break(end: RelayEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#call.abandon()
    this.#sink.beforeLastByte(end, () => this.#sink.exchange.destroy())
  }

  #write(bytes: Buffer): void {
    // Another name has another length.
    this.#begin(this.#sink.rewrite ? null : this.#call.bodyLength)
    writePart(bytes, this.#sink, this.#call)
  }

  #end(): void {
    const last = lastPart(this.#last, this.#sink.rewrite)
    // A body that is whole is cheaper with its length than in chunks.
    this.#begin(last?.length ?? 0)
    this.#sink.exchange.end(last)
  }

  /** `length`: of the body; null: unknown. */
  #begin(length: number | null): void {
    if (this.firstByteAtMs > 0) return
    this.firstByteAtMs = monotonicMs()
    const { exchange, status, headers } = this.#sink
    exchange.begin(status, headers, length)
  }
}
