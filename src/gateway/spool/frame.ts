/**
 * How entries stand in a segment, one behind the other: length and CRC-32 (4 bytes each, little-endian), then the body: one
 * byte for the kind, the entry's instant (a double), the length of its id and the id, and JSON. So what a crash cut off, or a
 * disk changed, is told from the whole, and a scan need not read the JSON.
 */
import { crc32 } from 'node:zlib'

/** `record`: a request that ended, its instant is its end. `open`: one that began then. */
export type FrameKind = 'record' | 'open'

export interface Frame {
  readonly kind: FrameKind
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly instantMs: number
  /** Bytes from the frame's first to its last. */
  readonly length: number
  /** Parses it. */
  readonly value: () => unknown
}

const headBytes = 8
/** Of the body, before the id. */
const fixedBytes = 10
const kindBytes = { record: 0x52, open: 0x4f }

/** No entry is longer: what claims to be is damaged. */
const maxBodyBytes = 1024 * 1024

/** Collects entries for one write. */
export class FrameBuffer {
  length = 0
  #bytes = Buffer.allocUnsafe(256 * 1024)

  /** Returns the number of bytes that it takes. */
  add(kind: FrameKind, id: string, instantMs: number, json: string): number {
    // At most 3 bytes of UTF-8 for each UTF-16 unit.
    this.#reserve(headBytes + fixedBytes + (id.length + json.length) * 3)
    const bytes = this.#bytes
    const body = this.length + headBytes
    const idAt = body + fixedBytes
    bytes[body] = kindBytes[kind]
    bytes.writeDoubleLE(instantMs, body + 1)
    const idLength = bytes.write(id, idAt, 255)
    bytes[body + 9] = idLength
    const end = idAt + idLength + bytes.write(json, idAt + idLength)
    bytes.writeUInt32LE(end - body, this.length)
    bytes.writeUInt32LE(crc32(bytes.subarray(body, end)), this.length + 4)
    const length = end - this.length
    this.length = end
    return length
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
  const jsonAt = body + fixedBytes + bytes[body + 9]!
  return {
    kind: bytes[body] === kindBytes.record ? 'record' : 'open',
    id: bytes.toString('utf8', body + fixedBytes, jsonAt),
    instantMs: bytes.readDoubleLE(body + 1),
    length: end - at,
    value: () => JSON.parse(bytes.toString('utf8', jsonAt, end)),
  }
}
