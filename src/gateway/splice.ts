import type { ScannedRequest, Span } from './request-scan.ts'

/** Bytes to stand in place of a range of the body. */
export interface Edit extends Span {
  readonly bytes: Buffer
}

/**
 * The body with the edits made, in one copy; all other bytes are as they came. `edits` are in order and do not overlap;
 * their ranges count from the beginning of the first chunk.
 */
export function splice(chunks: readonly Buffer[], edits: readonly Edit[]): Buffer {
  let length = 0
  for (const chunk of chunks) length += chunk.length
  for (const edit of edits) length += edit.bytes.length - (edit.end - edit.start)
  const result = Buffer.allocUnsafe(length)
  const source = new ChunkReader(chunks)
  let at = 0
  for (const edit of edits) {
    at += source.copyTo(result, at, edit.start)
    at += edit.bytes.copy(result, at)
    source.skipTo(edit.end)
  }
  source.copyTo(result, at, Infinity)
  return result
}

/** Copies consecutive ranges out of a list of chunks. */
class ChunkReader {
  readonly #chunks: readonly Buffer[]
  #index = 0
  /** Where the current chunk begins, and where reading goes on, in the whole body. */
  #chunkStart = 0
  #position = 0

  constructor(chunks: readonly Buffer[]) {
    this.#chunks = chunks
  }

  copyTo(target: Buffer, targetStart: number, end: number): number {
    let at = targetStart
    while (this.#position < end) {
      const chunk = this.#chunks[this.#index]
      if (!chunk) break
      const from = this.#position - this.#chunkStart
      const to = Math.min(chunk.length, end - this.#chunkStart)
      at += chunk.copy(target, at, from, to)
      this.skipTo(this.#chunkStart + to)
    }
    return at - targetStart
  }

  skipTo(position: number): void {
    this.#position = position
    for (;;) {
      const chunk = this.#chunks[this.#index]
      if (!chunk || position < this.#chunkStart + chunk.length) return
      this.#chunkStart += chunk.length
      this.#index++
    }
  }
}

const wholeMember = Buffer.from('"stream_options":{"include_usage":true},')
const wholeObject = Buffer.from('{"include_usage":true}')
const firstOption = Buffer.from('"include_usage":true,')
const trueWord = Buffer.from('true')

/**
 * The edit that makes a streamed completion report its usage in a last chunk; null if the client itself asks for that, or
 * if its `stream_options` are not what they should be, which is upstream's to judge.
 */
export function usageEdit(request: ScannedRequest): Edit | null {
  const options = request.streamOptions
  if (options === 'unusable') return null
  if (!options) return { start: request.membersStart, end: request.membersStart, bytes: wholeMember }
  if (options.kind === 'null' || options.isEmpty) return { start: options.start, end: options.end, bytes: wholeObject }
  const { includeUsage } = options
  if (!includeUsage) return { start: options.start + 1, end: options.start + 1, bytes: firstOption }
  return includeUsage.value ? null : { start: includeUsage.start, end: includeUsage.end, bytes: trueWord }
}
