/**
 * How frames stand in a segment, one behind the other: length and CRC-32 (4 bytes each, little-endian), then the body: one
 * byte for the kind, an instant (a double), the number of an about (4 bytes), the length of an id and the id, of a record its
 * sequence (a double), and text. So what a crash cut off, or a disk changed, is told from the whole, and a scan need not read the text.
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
  /** Of a record, among all that its run wrote, from 1 on; 0: none, or an earlier version wrote it. */
  readonly sequence: number
}

export interface Frame extends FrameHead {
  /** Bytes from the frame's first to its last. */
  readonly length: number
  readonly text: () => string
}

/** A whole frame, and where it begins: what is before it, from where it was looked for, is damaged. */
export interface FoundFrame {
  readonly frame: Frame
  readonly at: number
}

const headBytes = 8
/** Of the body, before the id. */
const fixedBytes = 14
const sequenceBytes = 8
/** Others than an earlier layout of the body had: its frames must not be read as these. */
const aboutByte = 0x41
const openByte = 0x42
const recordByte = 0x4e
/** Without a sequence, as an earlier version wrote it. */
const plainRecordByte = 0x4c
const kindBytes = { about: aboutByte, record: recordByte, open: openByte }
const kinds = new Map<number, FrameKind>([
  [aboutByte, 'about'],
  [openByte, 'open'],
  [recordByte, 'record'],
  [plainRecordByte, 'record'],
])

/** No frame is longer: what claims to be is damaged. */
const maxBodyBytes = 1024 * 1024
export const maxFrameBytes = headBytes + maxBodyBytes
/** No record is shorter. */
const minRecordBytes = headBytes + fixedBytes + sequenceBytes

/** Collects frames for one write. */
export class FrameBuffer {
  length = 0
  #bytes = Buffer.allocUnsafe(256 * 1024)

  add({ kind, id, instantMs, about, sequence }: FrameHead, text: string): void {
    // At most 3 bytes of UTF-8 for each UTF-16 unit.
    this.#reserve(minRecordBytes + (id.length + text.length) * 3)
    const bytes = this.#bytes
    const body = this.length + headBytes
    const idAt = body + fixedBytes
    bytes[body] = kindBytes[kind]
    bytes.writeDoubleLE(instantMs, body + 1)
    bytes.writeUInt32LE(about, body + 9)
    const idLength = bytes.write(id, idAt, 255)
    bytes[body + 13] = idLength
    let textAt = idAt + idLength
    if (kind === 'record') textAt = bytes.writeDoubleLE(sequence, textAt)
    const end = textAt + bytes.write(text, textAt)
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

/** The frame at this place; undefined if there is no whole and undamaged frame. */
export function readFrame(bytes: Buffer, at: number): Frame | undefined {
  if (at + headBytes > bytes.length) return undefined
  return readBody(bytes, at, bytes.readUInt32LE(at))
}

function readBody(bytes: Buffer, at: number, bodyBytes: number): Frame | undefined {
  const body = at + headBytes
  const end = body + bodyBytes
  if (bodyBytes < fixedBytes || bodyBytes > maxBodyBytes || end > bytes.length) return undefined
  const kindByte = bytes[body]!
  const kind = kinds.get(kindByte)
  const idAt = body + fixedBytes
  const idEnd = idAt + bytes[body + 13]!
  const textAt = kindByte === recordByte ? idEnd + sequenceBytes : idEnd
  if (!kind || textAt > end) return undefined
  if (crc32(bytes.subarray(body, end)) !== bytes.readUInt32LE(at + 4)) return undefined
  return {
    kind,
    id: bytes.toString('utf8', idAt, idEnd),
    instantMs: bytes.readDoubleLE(body + 1),
    about: bytes.readUInt32LE(body + 9),
    sequence: kindByte === recordByte ? bytes.readDoubleLE(idEnd) : 0,
    length: end - at,
    text: () => bytes.toString('utf8', textAt, end),
  }
}

/**
 * The next whole frame at or behind this place; undefined if there is none. A frame of which only the length is damaged is whole: its
 * checksum tells where it ends. `isEnd`: behind these bytes there is nothing.
 */
export function findFrame(bytes: Buffer, at: number, isEnd: boolean): FoundFrame | undefined {
  const here = readFrame(bytes, at)
  if (here) return { frame: here, at }
  const next = scanFrom(bytes, at + 1)
  const end = next?.at ?? (isEnd ? bytes.length : 0)
  const repaired = end - at > headBytes ? readBody(bytes, at, end - at - headBytes) : undefined
  return repaired ? { frame: repaired, at } : next
}

function scanFrom(bytes: Buffer, from: number): FoundFrame | undefined {
  for (let at = from; at + headBytes + fixedBytes <= bytes.length; at++) {
    // The length's last byte is 0 and the kind is one of four: text rarely looks like that, and no checksum is computed for it.
    if (bytes[at + 3] !== 0 || !kinds.has(bytes[at + headBytes]!)) continue
    const frame = readFrame(bytes, at)
    if (frame) return { frame, at }
  }
  return undefined
}

/** A frame that is not whole, as far as it can be read. */
export interface DamagedFrame {
  /** Null: not even that can be read. */
  readonly kind: FrameKind | null
  readonly id: string
}

/** What seem to have been the frames between two places. */
export function* listDamaged(bytes: Buffer, at: number, end: number): Generator<DamagedFrame> {
  while (at < end) {
    const body = at + headBytes
    if (body + fixedBytes > end) return yield { kind: null, id: '' }
    const idAt = body + fixedBytes
    const idLength = bytes[body + 13]!
    const bodyBytes = bytes.readUInt32LE(at)
    const hasLength = bodyBytes >= fixedBytes && body + bodyBytes <= end
    // Of all kinds only abouts have no id. Zeros have none either, and no length: nobody knows what they were.
    const kind = kinds.get(bytes[body]!) ?? (idLength === 0 && hasLength ? 'about' : null)
    yield { kind, id: bytes.toString('utf8', idAt, idAt + idLength) }
    if (!hasLength) return
    at = body + bodyBytes
  }
}

/** Whether the bytes from here on are the beginning of a frame whose end was never written. */
export function isTorn(bytes: Buffer, at: number): boolean {
  return at + headBytes > bytes.length || at + headBytes + bytes.readUInt32LE(at) > bytes.length
}

/** More records than this cannot have been in so many bytes. */
export function mostRecordsIn(bytes: number): number {
  return Math.floor(bytes / minRecordBytes)
}
