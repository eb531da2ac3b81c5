/** What of an answer is kept while it passes: enough to find its token counts, as references to chunks and not as copies. */
const keptHeadBytes = 4 * 1024
const keptTailBytes = 4 * 1024

export class AnswerBytes {
  /** Bytes that came from upstream. */
  total = 0
  #head: Buffer | null = null
  readonly #tail: Buffer[] = []
  #tailBytes = 0

  add(chunk: Buffer): void {
    this.total += chunk.length
    if (this.#head) return this.#addTail(chunk)
    const isLonger = chunk.length > keptHeadBytes
    this.#head = isLonger ? chunk.subarray(0, keptHeadBytes) : chunk
    if (isLonger) this.#addTail(chunk.subarray(keptHeadBytes))
  }

  /** The first bytes, one character each: up to 4 KiB of what came first. */
  head(): string {
    return this.#head?.toString('latin1') ?? ''
  }

  /** The last 4 KiB of what came behind `head`, one character each. */
  tail(): string {
    let text = ''
    for (let i = this.#tail.length - 1; i >= 0 && text.length < keptTailBytes; i--) {
      const chunk = this.#tail[i]!
      text = chunk.toString('latin1', Math.max(0, chunk.length - keptTailBytes + text.length)) + text
    }
    return text
  }

  /** The last 4 KiB or more of all that came, one character each, without the last `dropped` bytes. */
  last(dropped: number): string {
    const tail = this.tail()
    const text = tail.length < keptTailBytes ? this.head() + tail : tail
    return text.slice(0, Math.max(0, text.length - dropped))
  }

  #addTail(chunk: Buffer): void {
    this.#tail.push(chunk)
    this.#tailBytes += chunk.length
    while (this.#tailBytes - this.#tail[0]!.length >= keptTailBytes) this.#tailBytes -= this.#tail.shift()!.length
  }
}
