/**
 * The form of a backup, before it is compressed: the line `signalbox backup 1`, and then frames, each of one byte for its kind, four for
 * the length of what follows (big-endian), and the content.
 */

export const magic = Buffer.from('signalbox backup 1\n')

/** In this order: `header`, `keys` if they were asked for, of each table `table` and `rows`, `sequences`, `end`. */
export const frameKinds = { header: 'h', keys: 'k', table: 't', rows: 'r', sequences: 's', end: 'e' } as const
export type ArchiveFrameKind = keyof typeof frameKinds

export interface ArchiveFrame {
  readonly kind: ArchiveFrameKind
  readonly content: Buffer
}

const kindsByByte = new Map(
  Object.entries(frameKinds).map(([kind, letter]) => [letter.charCodeAt(0), kind as ArchiveFrameKind]),
)
const headBytes = 5
/** Rows come in pieces of any size, so that no frame need be larger. */
export const maxContentBytes = 16 * 1024 * 1024

/** The file is not a backup, or it was damaged. */
export class ArchiveError extends Error {
  override name = 'ArchiveError'
}

export function encodeFrame(kind: ArchiveFrameKind, content: Buffer): Buffer {
  const head = Buffer.alloc(headBytes)
  head.write(frameKinds[kind], 'latin1')
  head.writeUInt32BE(content.length, 1)
  return Buffer.concat([head, content])
}

/** Reads frames from chunks. Throws `ArchiveError` if the bytes are not a backup, are damaged, or end within a frame. */
export async function* decodeFrames(
  pieces: AsyncIterable<Buffer>,
): AsyncGenerator<ArchiveFrame & { readonly bytes: Buffer }> {
  const reader = createReader(pieces)
  const start = await reader.take(magic.length)
  if (!start?.equals(magic)) throw new ArchiveError('It is no backup of Signalbox.')
  for (let head = await reader.take(headBytes); head; head = await reader.take(headBytes)) {
    const kind = kindsByByte.get(head[0]!)
    const length = head.readUInt32BE(1)
    if (!kind || length > maxContentBytes) throw new ArchiveError('It is damaged.')
    const content = length === 0 ? Buffer.alloc(0) : await reader.take(length)
    if (!content) throw new ArchiveError('It breaks off.')
    yield { kind, content, bytes: Buffer.concat([head, content]) }
  }
}

function createReader(pieces: AsyncIterable<Buffer>) {
  const iterator = pieces[Symbol.asyncIterator]()
  let held: Buffer = Buffer.alloc(0)
  const fill = async (length: number) => {
    const parts = [held]
    for (let size = held.length; size < length;) {
      const next = await iterator.next()
      if (next.done) break
      parts.push(next.value)
      size += next.value.length
    }
    held = parts.length > 1 ? Buffer.concat(parts) : held
  }
  return {
    /** Reads this number of bytes; undefined at the end. Throws if the input ends within them. */
    async take(length: number): Promise<Buffer | undefined> {
      if (held.length < length) await fill(length)
      if (held.length === 0) return undefined
      if (held.length < length) throw new ArchiveError('It breaks off.')
      const taken = held.subarray(0, length)
      held = held.subarray(length)
      return taken
    },
  }
}
