/** What of an answer is kept while it passes: enough to find its token counts, wherever its chunks were cut. */
const headBytes = 4 * 1024
const tailBytes = 16 * 1024
/** An answer that is no longer is kept whole. */
export const keptWholeBytes = headBytes + tailBytes
/** So many bytes are copied at once: each chunk for itself would touch cold memory for each event of a stream. */
const copiedBytes = 4 * 1024

const none = Buffer.alloc(0)

/**
 * The first and last bytes of an answer. A copy, unless it came in one chunk: of small chunks, each costs some hundred bytes
 * beside its own, and as long as one is kept it survives the cheap collections of memory.
 */
export class AnswerBytes {
  /** Bytes that came from upstream. */
  total = 0
  /** The only chunk; or the head, and behind it a ring with the tail, as large as it had to be so far. */
  #kept: Buffer = none
  #isCopy = false
  /** What came last, and is not copied yet. */
  #pending: Buffer[] = []
  #pendingBytes = 0

  add(chunk: Buffer): void {
    const isFirst = this.total === 0
    this.total += chunk.length
    if (isFirst) {
      this.#kept = chunk
      return
    }
    this.#pending.push(chunk)
    this.#pendingBytes += chunk.length
    if (this.#pendingBytes >= copiedBytes) this.#copyPending()
  }

  /** The first 4 KiB and the last 16 KiB, one character each, without the last `dropped` bytes. */
  ends(dropped: number): string {
    const last = this.last(dropped)
    return last.length + dropped < this.total ? this.head() + last : last
  }

  /** The last 16 KiB or more of all that came, one character each, without the last `dropped` bytes. */
  last(dropped: number): string {
    const tail = this.tail()
    const text = tail.length < tailBytes ? this.head() + tail : tail
    return text.slice(0, Math.max(0, text.length - dropped))
  }

  /** The first 4 KiB, one character each. */
  head(): string {
    this.#copyPending()
    return this.#kept.toString('latin1', 0, Math.min(this.total, headBytes))
  }

  /** The last 16 KiB of what came behind `head`, one character each. */
  tail(): string {
    this.#copyPending()
    if (this.total <= this.#kept.length)
      return this.#kept.toString('latin1', Math.max(headBytes, this.total - tailBytes), this.total)
    const begin = indexInKept(this.total)
    return this.#kept.toString('latin1', begin) + this.#kept.toString('latin1', headBytes, begin)
  }

  #copyPending(): void {
    let at = this.total - this.#pendingBytes
    if (at === this.total) return
    if (!this.#isCopy || this.#kept.length < Math.min(this.total, keptWholeBytes)) this.#grow(at)
    for (const chunk of this.#pending) {
      this.#write(chunk, at)
      at += chunk.length
    }
    this.#pending = []
    this.#pendingBytes = 0
  }

  /** `length`: of what was copied so far. */
  #grow(length: number): void {
    const before = this.#kept
    this.#kept = Buffer.allocUnsafeSlow(Math.min(keptWholeBytes, Math.max(headBytes, 2 * this.total)))
    this.#isCopy = true
    this.#write(before.subarray(0, length), 0)
  }

  /** `at`: where in the answer the chunk begins. */
  #write(chunk: Buffer, at: number): void {
    const end = at + chunk.length
    if (at < headBytes) chunk.copy(this.#kept, at, 0, headBytes - at)
    for (let next = Math.max(at, headBytes, end - tailBytes); next < end;)
      next += chunk.copy(this.#kept, indexInKept(next), next - at)
  }
}

/** The index in the kept bytes of the byte at this position of the answer's body. */
function indexInKept(place: number): number {
  return headBytes + ((place - headBytes) % tailBytes)
}
