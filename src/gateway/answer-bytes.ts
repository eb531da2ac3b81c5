/** What of an answer is kept while it passes: enough to find its token counts, as references to chunks and not as copies. */
const keptHeadBytes = 4 * 1024
const keptTailBytes = 4 * 1024

export class AnswerBytes {
  /** Bytes that came from upstream. */
  total = 0
  #head: Buffer | null = null
  #tail: Buffer[] = []
  #tailBytes = 0

  add(chunk: Buffer): void {
    this.total += chunk.length
    this.#head ??= chunk
    this.#tail.push(chunk)
    this.#tailBytes += chunk.length
    while (this.#tailBytes - this.#tail[0]!.length >= keptTailBytes) this.#tailBytes -= this.#tail.shift()!.length
  }

  /** The first bytes: up to 4 KiB of what came first. */
  head(): Buffer {
    return this.#head?.subarray(0, keptHeadBytes) ?? Buffer.alloc(0)
  }

  /** The last bytes: at least 4 KiB, or all if there were fewer. */
  tail(): Buffer {
    return this.#tail.length === 1 ? this.#tail[0]! : Buffer.concat(this.#tail)
  }
}
