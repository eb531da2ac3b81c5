import type { ScannedRequest, Span } from './request-scan.ts'

/** Bytes to stand in place of a range of the body. */
export interface ByteEdit extends Span {
  readonly bytes: Buffer
}

/**
 * The body with the edits made, in parts of the chunks, so that nothing is copied before it is sent; all other bytes are as they
 * came. `edits` are in order and do not overlap; their ranges count from the beginning of the first chunk.
 */
export function splice(chunks: readonly Buffer[], edits: readonly ByteEdit[]): Buffer[] {
  const parts: Buffer[] = []
  let at = 0
  for (const edit of edits) {
    addRange(parts, chunks, at, edit.start)
    parts.push(edit.bytes)
    at = edit.end
  }
  addRange(parts, chunks, at, Infinity)
  return parts
}

/** No more than so many bytes of the body, in parts of the chunks. */
export function beginning(chunks: readonly Buffer[], bytes: number): Buffer[] {
  const parts: Buffer[] = []
  addRange(parts, chunks, 0, bytes)
  return parts
}

/** Adds the range of the whole body to the parts. */
function addRange(parts: Buffer[], chunks: readonly Buffer[], from: number, to: number): void {
  let chunkStart = 0
  for (const chunk of chunks) {
    const start = Math.max(from - chunkStart, 0)
    const end = Math.min(to - chunkStart, chunk.length)
    if (start < end) parts.push(chunk.subarray(start, end))
    chunkStart += chunk.length
  }
}

const wholeMember = Buffer.from('"stream_options":{"include_usage":true},')
const wholeObject = Buffer.from('{"include_usage":true}')
const firstOption = Buffer.from('"include_usage":true,')
const trueWord = Buffer.from('true')

/**
 * The edit that makes a streamed completion report its usage in a last chunk; null if the client itself asks for that, or
 * if its `stream_options`, or what they say of it, are not what they should be, which is upstream's to judge.
 */
export function usageEdit(request: ScannedRequest): ByteEdit | null {
  const options = request.streamOptions
  if (options === 'unusable') return null
  if (!options) return { start: request.membersStart, end: request.membersStart, bytes: wholeMember }
  if (options.kind === 'null' || options.isEmpty) return { start: options.start, end: options.end, bytes: wholeObject }
  const { includeUsage } = options
  if (includeUsage === 'unusable') return null
  if (!includeUsage) return { start: options.start + 1, end: options.start + 1, bytes: firstOption }
  return includeUsage.value ? null : { start: includeUsage.start, end: includeUsage.end, bytes: trueWord }
}
