import { Readable } from 'node:stream'
import type { RequestContent } from './exchange.ts'

/** A body in memory up to this goes out at once. Of a longer one, only its parts tell whether a slow upstream still takes it. */
export const maxWholeBytes = 1024 * 1024

const partBytes = 64 * 1024

/** What sends the body part by part; to be destroyed when nothing more of it is to be sent. */
export function streamOf(body: RequestContent): Readable {
  return typeof body === 'function' ? body() : new PieceStream(body)
}

/** Reads pieces in parts of their own memory; one piece may be megabytes long, and would say nothing until all of it has gone. */
class PieceStream extends Readable {
  #pieces: readonly Buffer[]
  #piece = 0
  #at = 0

  constructor(pieces: readonly Buffer[]) {
    super()
    this.#pieces = pieces
  }

  override _read(): void {
    while (this.#at >= (this.#pieces[this.#piece]?.length ?? Infinity)) {
      this.#piece++
      this.#at = 0
    }
    const from = this.#at
    this.#at += partBytes
    this.push(this.#pieces[this.#piece]?.subarray(from, this.#at) ?? null)
  }

  /** Whoever sent it may be kept until the answer has come; the pieces are not. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#pieces = []
    done(error)
  }
}
