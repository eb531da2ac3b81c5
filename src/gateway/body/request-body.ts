import type { BodyReader, Exchange } from '../http1/server/exchange.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import { type IndexedMember, IndexedSet } from '../loop/indexed-set.ts'
import { failAlone } from '../loop/phases.ts'

/**
 * How a body ended. `malformed`: it cannot be read as one. `undecodable`: its content coding cannot be taken off. `silent`: the
 * client sent nothing, or too little, for too long. `overloaded`: the gateway has no room for more of it.
 */
export type BodyEnd = 'whole' | 'malformed' | 'undecodable' | 'tooLarge' | 'silent' | 'overloaded'

/** Who takes a body that has a limit. */
export interface BoundedBodyReader {
  onChunk(chunk: Buffer): void
  /** Called once, unless the client leaves before. */
  onBodyEnd(end: BodyEnd): void
  /** Told what a timer threw. */
  fail(error: unknown): void
}

/** A body that is being received, as its reader sees it. */
export interface IncomingBody {
  readonly beganAtMs: number
  /** Begins to read: the reader is called from within this if the body has come. */
  begin(): void
  /** Stops reading and reports the reason to the reader. */
  giveUp(end: BodyEnd): void
  /** Nothing is called any more. */
  leave(): void
  /** Holds the client back while no more can be taken. */
  hold(isHeld: boolean): void
}

/** How slow a client may send a body. */
export interface BodyPace {
  /** Longest pause. */
  readonly silenceMs: number
  /** In each window of `windowMs` this much must come. */
  readonly windowMs: number
  readonly windowBytes: number
  /** By then it must have come whole. */
  readonly longestMs: number
}

export const defaultBodyPace: BodyPace = {
  silenceMs: 30_000,
  windowMs: 30_000,
  windowBytes: 8 * 1024,
  longestMs: 600_000,
}

const checkEveryMs = 1_000

/** Looks each second for clients that have stopped in the middle of a body, or send too slowly to be worth a place. */
export class SilenceWatch implements Disposable {
  readonly #bodies = new IndexedSet<RequestBody>()
  readonly #pace: BodyPace
  readonly #timer: NodeJS.Timeout

  constructor(pace: BodyPace = defaultBodyPace) {
    this.#pace = pace
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
    const nowMs = monotonicMs()
    for (const body of this.#bodies.list()) {
      try {
        if (body.isTooSlow(nowMs, this.#pace)) body.giveUp('silent')
      } catch (error) {
        failAlone(body, error)
      }
    }
  }
}

/** Reads a body. Its limit counts what arrives: `content-length` may be missing. */
export class RequestBody implements IndexedMember, BodyReader, IncomingBody {
  indexInSet = -1
  readonly beganAtMs = monotonicMs()
  #size = 0
  #lastByteAtMs = this.beganAtMs
  #windowBeganAtMs = this.beganAtMs
  #windowStart = 0
  #isHeld = false
  #isOver = false
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

  begin(): void {
    this.#watch.add(this)
    this.#exchange.read(this)
  }

  /** Asked each second. While the gateway itself holds the client back, it is not the client that is slow. */
  isTooSlow(nowMs: number, pace: BodyPace): boolean {
    if (this.#isHeld) return false
    if (nowMs - this.#lastByteAtMs > pace.silenceMs || nowMs - this.beganAtMs > pace.longestMs) return true
    if (nowMs - this.#windowBeganAtMs < pace.windowMs) return false
    const isSlow = this.#size - this.#windowStart < pace.windowBytes
    this.#beginWindow(nowMs)
    return isSlow
  }

  giveUp(end: BodyEnd): void {
    if (this.#isOver) return
    // What of it is still to come would be taken for the next request's.
    if (end === 'silent') this.#exchange.keepsAlive = false
    this.onBodyEnd(end)
  }

  leave(): void {
    this.#isOver = true
    this.#watch.delete(this)
  }

  hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    this.#exchange.holdBody(isHeld)
    if (isHeld) return
    this.#lastByteAtMs = monotonicMs()
    this.#beginWindow(this.#lastByteAtMs)
  }

  fail(error: unknown): void {
    this.leave()
    this.#reader.fail(error)
  }

  onChunk(chunk: Buffer): void {
    if (this.#isOver) return
    this.#size += chunk.length
    if (this.#size > this.#maxBytes) return this.onBodyEnd('tooLarge')
    this.#lastByteAtMs = monotonicMs()
    this.#reader.onChunk(chunk)
  }

  onBodyEnd(end: BodyEnd): void {
    if (this.#isOver) return
    this.leave()
    this.#reader.onBodyEnd(end)
  }

  #beginWindow(nowMs: number): void {
    this.#windowBeganAtMs = nowMs
    this.#windowStart = this.#size
  }
}
