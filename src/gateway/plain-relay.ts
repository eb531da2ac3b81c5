import { AnswerBytes } from './answer-bytes.ts'
import { type AnswerSink, join, type Relay, type RelayEnd, writePart } from './relay.ts'
import type { AnswerReader, UpstreamCall } from './upstream-call.ts'

/**
 * A shorter body that is whole goes to Node as a string: then head and body are one write, and not two that are gathered. That is
 * the cheaper way up to here.
 */
const maxStringBytes = 16 * 1024

/** Passes a body on as it arrives. If it breaks off, so does the connection: a cut body must never look whole. */
export class PlainRelay implements AnswerReader, Relay {
  readonly bytes = new AnswerBytes()
  firstByteAtMs = 0
  readonly #call: UpstreamCall
  readonly #sink: AnswerSink
  /** The last bytes, once all have come. */
  #last: Buffer[] = []
  #isOver = false

  constructor(call: UpstreamCall, sink: AnswerSink) {
    this.#call = call
    this.#sink = sink
    call.read(this)
  }

  onData(): void {
    const chunks = this.#call.takeChunks()
    for (const chunk of chunks) this.bytes.add(chunk)
    if (this.#call.isComplete) this.#last = chunks
    else this.#write(join(chunks))
  }

  onEnd(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#sink.beforeLastByte('whole', () => this.#end())
  }

  onBroken(reason: 'broken' | 'silent' | 'expired'): void {
    this.#break(reason === 'broken' ? 'broken' : 'late')
  }

  cut(): void {
    this.#break('cut')
  }

  #break(end: RelayEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#call.abandon()
    this.#sink.beforeLastByte(end, () => this.#sink.response.destroy())
  }

  #write(bytes: Buffer): void {
    const isFirst = this.firstByteAtMs === 0
    this.#begin(false)
    writePart(bytes, this.#sink.response, this.#call, isFirst)
  }

  #end(): void {
    const { response } = this.#sink
    const isWhole = this.firstByteAtMs === 0
    this.#begin(true)
    if (this.#last.length === 0) return void response.end()
    const last = join(this.#last)
    if (isWhole && last.length <= maxStringBytes) response.end(last.toString('latin1'), 'latin1')
    else response.end(last)
  }

  #begin(isWhole: boolean): void {
    if (this.firstByteAtMs > 0) return
    this.firstByteAtMs = performance.now()
    const { response, status, headers } = this.#sink
    // A body that is whole is cheaper with its length than in chunks.
    if (isWhole && this.#call.head?.contentLength === null && status !== 204 && status !== 304)
      headers.push('content-length', String(this.bytes.total))
    response.writeHead(status, headers)
  }
}
