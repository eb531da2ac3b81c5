import type { IncomingMessage } from 'node:http'
import { type Member, Roster } from './roster.ts'

/** How a body ended; `silent`: the client sent nothing for too long. */
export type BodyEnd = 'whole' | 'tooLarge' | 'silent'

export interface BodyReader {
  onChunk(chunk: Buffer): void
  /** Called once, unless the client leaves before. */
  onBodyEnd(end: BodyEnd): void
}

/** Longest pause in a body (DESIGN § 4.7). */
const maxSilenceMs = 30_000
const checkEveryMs = 1_000

/** Looks each second for clients that have stopped in the middle of a body: Node itself would look every 30 s. */
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
    const silentSinceMs = performance.now() - maxSilenceMs
    for (const body of this.#bodies.list()) if (body.lastByteAtMs < silentSinceMs) body.giveUp()
  }
}

/** Reads a body. Its limit counts what arrives: `content-length` may be missing. */
export class RequestBody implements Member {
  rosterIndex = -1
  size = 0
  readonly beganAtMs = performance.now()
  lastByteAtMs = this.beganAtMs
  isOver = false
  /** The client sent nothing for too long. */
  isSilent = false
  readonly #maxBytes: number
  readonly #length: number | null
  readonly #watch: SilenceWatch
  readonly #reader: BodyReader

  /** `length`: what the client states; null if it does not. */
  constructor(
    request: IncomingMessage,
    length: number | null,
    maxBytes: number,
    watch: SilenceWatch,
    reader: BodyReader,
  ) {
    this.#length = length
    this.#maxBytes = maxBytes
    this.#watch = watch
    this.#reader = reader
    watch.add(this)
    request.on('data', (chunk: Buffer) => this.#take(chunk))
    if (length === null || length === 0) request.on('end', () => this.#stop('whole'))
  }

  /** The client has been silent for too long. */
  giveUp(): void {
    this.isSilent = true
    this.#stop('silent')
  }

  /** The client has left: nothing is called any more. */
  leave(): void {
    this.isOver = true
    this.#watch.delete(this)
  }

  #take(chunk: Buffer): void {
    if (this.isOver) return
    this.size += chunk.length
    if (this.size > this.#maxBytes) return this.#stop('tooLarge')
    this.lastByteAtMs = performance.now()
    this.#reader.onChunk(chunk)
    // Node says a moment later that it was the end.
    if (this.size === this.#length) this.#stop('whole')
  }

  #stop(end: BodyEnd): void {
    if (this.isOver) return
    this.leave()
    this.#reader.onBodyEnd(end)
  }
}
