/**
 * How frames stand in a segment, one behind the other: length and CRC-32 (4 bytes each, little-endian), then the body: one
 * byte for the kind, an instant (a double), the number of an about (4 bytes), the length of an id and the id, and text. So
 * what a crash cut off, or a disk changed, is told from the whole, and a scan need not read the text.
 */
import { crc32 } from 'node:zlib'

/**
 * `record`: a request that ended, its instant is its end, its text a line. `open`: one that began then, its text JSON.
 * `about`: what records behind it in the same segment refer to by its number; it has no id and no instant.
 */
export type FrameKind = 'about' | 'record' | 'open'

export interface FrameHead {
  readonly kind: FrameKind
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly instantMs: number
  /** Of the about; 0: it has none. */
  readonly about: number
}

export interface Frame extends FrameHead {
  /** Bytes from the frame's first to its last. */
  readonly length: number
  readonly text: () => string
}

const headBytes = 8
/** Of the body, before the id. */
const fixedBytes = 14
/** Others than an earlier layout of the body had: its frames must not be read as these. */
const kindBytes = { about: 0x41, record: 0x4c, open: 0x42 }
const kinds = new Map(Object.entries(kindBytes).map(([kind, byte]) => [byte, kind as FrameKind]))

/** No frame is longer: what claims to be is damaged. */
const maxBodyBytes = 1024 * 1024

/** Collects frames for one write. */
export class FrameBuffer {
  length = 0
  #bytes = Buffer.allocUnsafe(256 * 1024)

  add({ kind, id, instantMs, about }: FrameHead, text: string): void {
    // At most 3 bytes of UTF-8 for each UTF-16 unit.
    this.#reserve(headBytes + fixedBytes + (id.length + text.length) * 3)
    const bytes = this.#bytes
    const body = this.length + headBytes
    const idAt = body + fixedBytes
    bytes[body] = kindBytes[kind]
    bytes.writeDoubleLE(instantMs, body + 1)
    bytes.writeUInt32LE(about, body + 9)
    const idLength = bytes.write(id, idAt, 255)
    bytes[body + 13] = idLength
    const end = idAt + idLength + bytes.write(text, idAt + idLength)
    bytes.writeUInt32LE(end - body, this.length)
    bytes.writeUInt32LE(crc32(bytes.subarray(body, end)), this.length + 4)
    this.length = end
  }

  /** The collected bytes; they are overwritten by what is added after `clear`. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.length)
  }

  clear(): void {
    this.length = 0
  }

  #reserve(bytes: number): void {
    if (this.length + bytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.length + bytes))
    this.#bytes.copy(larger, 0, 0, this.length)
    this.#bytes = larger
  }
}

/** The frame at `at`; undefined if the bytes from there on are no whole and undamaged frame. */
export function readFrame(bytes: Buffer, at: number): Frame | undefined {
  const body = at + headBytes
  if (body > bytes.length) return undefined
  const bodyBytes = bytes.readUInt32LE(at)
  const end = body + bodyBytes
  if (bodyBytes < fixedBytes || bodyBytes > maxBodyBytes || end > bytes.length) return undefined
  if (crc32(bytes.subarray(body, end)) !== bytes.readUInt32LE(at + 4)) return undefined
  const kind = kinds.get(bytes[body]!)
  const textAt = body + fixedBytes + bytes[body + 13]!
  if (!kind || textAt > end) return undefined
  return {
    kind,
    id: bytes.toString('utf8', body + fixedBytes, textAt),
    instantMs: bytes.readDoubleLE(body + 1),
    about: bytes.readUInt32LE(body + 9),
    length: end - at,
    text: () => bytes.toString('utf8', textAt, end),
  }
}
