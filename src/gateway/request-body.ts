import type { IncomingMessage } from 'node:http'
import { type Member, Roster } from './roster.ts'

/** `left`: the client closed the connection. `silent`: it sent nothing for too long. */
export type BodyEnd = 'whole' | 'tooLarge' | 'silent' | 'left'

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
  readonly end: Promise<BodyEnd>
  size = 0
  lastByteAtMs = performance.now()
  readonly #request: IncomingMessage
  readonly #maxBytes: number
  readonly #watch: SilenceWatch
  readonly #onChunk: (chunk: Buffer) => void
  readonly #settle: (end: BodyEnd) => void

  constructor(request: IncomingMessage, maxBytes: number, watch: SilenceWatch, onChunk: (chunk: Buffer) => void) {
    this.#request = request
    this.#maxBytes = maxBytes
    this.#watch = watch
    this.#onChunk = onChunk
    const { promise, resolve } = Promise.withResolvers<BodyEnd>()
    this.end = promise
    this.#settle = resolve
    request.on('data', this.#take)
    request.on('end', this.#finish)
    request.on('close', this.#leave)
    watch.add(this)
  }

  /** The client has been silent for too long. */
  giveUp(): void {
    this.#stop('silent')
  }

  readonly #take = (chunk: Buffer): void => {
    this.size += chunk.length
    if (this.size > this.#maxBytes) return this.#stop('tooLarge')
    this.lastByteAtMs = performance.now()
    this.#onChunk(chunk)
  }

  readonly #finish = (): void => this.#stop('whole')

  readonly #leave = (): void => this.#stop('left')

  #stop(end: BodyEnd): void {
    this.#watch.delete(this)
    this.#request.off('data', this.#take).off('end', this.#finish).off('close', this.#leave)
    this.#settle(end)
  }
}
