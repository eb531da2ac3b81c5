import type { BodyReader, Exchange } from './downstream/exchange.ts'
import { monotonicMs } from './monotonic.ts'
import { type Member, Roster } from './roster.ts'

/** How a body ended. `malformed`: it cannot be read as one. `silent`: the client sent nothing for too long. */
export type BodyEnd = 'whole' | 'malformed' | 'tooLarge' | 'silent'

/** Who takes a body that has a limit. */
export interface BoundedBodyReader {
  onChunk(chunk: Buffer): void
  /** Called once, unless the client leaves before. */
  onBodyEnd(end: BodyEnd): void
}

/** Longest pause in a body (DESIGN § 4.7). */
const maxSilenceMs = 30_000
const checkEveryMs = 1_000

/** Looks each second for clients that have stopped in the middle of a body. */
export class SilenceWatch implements Disposable {
  readonly #bodies = new Roster<RequestBody>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#check(), checkEveryMs)
    this.#timer.unref()
  }

  add(body: RequestBody): void {
    this.#bodies.add(body)
  }

  delete(body: RequestBody): void {
    this.#bodies.delete(body)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #check(): void {
    const silentSinceMs = monotonicMs() - maxSilenceMs
    for (const body of this.#bodies.list()) if (body.lastByteAtMs < silentSinceMs) body.giveUp()
  }
}

/** Reads a body. Its limit counts what arrives: `content-length` may be missing. */
export class RequestBody implements Member, BodyReader {
  rosterIndex = -1
  size = 0
  readonly beganAtMs = monotonicMs()
  lastByteAtMs = this.beganAtMs
  isOver = false
  readonly #maxBytes: number
  readonly #watch: SilenceWatch
  readonly #exchange: Exchange
  readonly #reader: BoundedBodyReader

  constructor(exchange: Exchange, maxBytes: number, watch: SilenceWatch, reader: BoundedBodyReader) {
    this.#maxBytes = maxBytes
    this.#watch = watch
    this.#exchange = exchange
    this.#reader = reader
  }

  /** Begins to read: the reader is called from within this if the body has come. */
  begin(): void {
    this.#watch.add(this)
    this.#exchange.read(this)
  }

  /** The client has been silent for too long. */
  giveUp(): void {
    this.#exchange.keepsAlive = false
    this.onBodyEnd('silent')
  }

  /** Nothing is called any more. */
  leave(): void {
    this.isOver = true
    this.#watch.delete(this)
  }

  onChunk(chunk: Buffer): void {
    if (this.isOver) return
    this.size += chunk.length
    if (this.size > this.#maxBytes) return this.onBodyEnd('tooLarge')
    this.lastByteAtMs = monotonicMs()
    this.#reader.onChunk(chunk)
  }

  onBodyEnd(end: BodyEnd): void {
    if (this.isOver) return
    this.leave()
    this.#reader.onBodyEnd(end)
  }
}
