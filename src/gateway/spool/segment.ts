import { closeSync, fdatasync, fstatSync, ftruncateSync, futimesSync, openSync, readSync, writeSync } from 'node:fs'
import type { UsageAttributes } from '../../routing/usage/entry.ts'
import type { SpooledRecord } from './batches-in-flight.ts'
import { findFrame, type Frame, isTorn, listDamaged, maxFrameBytes, mostRecordsIn } from './frame.ts'

/** What recovery hears of a segment. */
export interface SegmentReader {
  /** A whole frame that is no about. */
  onFrame(frame: Frame): void
  /** A frame that is damaged; what can be read of its id. */
  onDamaged(id: string): void
}

/** What `recover` found wrong. */
export interface SegmentDamage {
  /** Of an end that was never written: they are cut off. */
  readonly tornBytes: number
  readonly damagedBytes: number
  /** Records in the damaged bytes, or whose about is: as far as can be told. */
  readonly lostRecords: number
}

/** Records behind one another in a segment, and where the next one is. */
export interface SegmentRecords {
  readonly records: SpooledRecord[]
  readonly end: number
}

const windowBytes = 4 * maxFrameBytes
/** What a disk reads at once. */
const pageBytes = 4096

/** One file of the spool. What was appended is in it to the byte, or not at all. */
export class Segment {
  readonly path: string
  /** Of the process that wrote it; null: an earlier version did. */
  readonly runId: string | null
  /** Of whole frames. */
  bytes = 0
  /** What its records refer to, by number. */
  readonly abouts = new Map<number, UsageAttributes>()
  /** Ended requests in it, and how many of them have been shipped. */
  records = 0
  shipped = 0
  /** The earliest end of a request in it, in milliseconds since the epoch. */
  firstEndMs = Infinity
  /** The latest instant in it. */
  lastInstantMs = 0
  /** It ends with a torn frame that could not be cut off: nothing may be appended behind it. */
  isBroken = false
  readonly #descriptor: number
  #isDirty = false
  #isSyncing = false
  #isClosing = false

  constructor(path: string, runId: string | null) {
    this.path = path
    this.runId = runId
    this.#descriptor = openSync(path, 'a+', 0o600)
  }

  get isShipped(): boolean {
    return this.shipped === this.records
  }

  /** Throws what the file system says; then nothing of `bytes` is in the file. */
  append(bytes: Buffer): void {
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(this.#descriptor, bytes, done)
    } catch (error) {
      this.#cut()
      throw error
    }
    this.bytes += bytes.length
    this.#isDirty = true
  }

  #cut(): void {
    try {
      ftruncateSync(this.#descriptor, this.bytes)
    } catch {
      this.isBroken = true
    }
  }

  /** Up to `maxBytes` from here on. */
  #read(from: number, maxBytes: number): Buffer {
    const bytes = Buffer.allocUnsafe(Math.min(maxBytes, this.bytes - from))
    let length = 0
    while (length < bytes.length) {
      const read = this.#readInto(bytes.subarray(length), from + length)
      if (read === 0) break
      length += read
    }
    return bytes.subarray(0, length)
  }

  /** What the disk cannot read any more is zeros: damaged like any other bytes, or one bad place would hold up all that is behind it. */
  #readInto(bytes: Buffer, from: number): number {
    try {
      return readSync(this.#descriptor, bytes, 0, bytes.length, from)
    } catch (error) {
      if (!isUnreadable(error)) throw error
    }
    const page = bytes.subarray(0, pageBytes - (from % pageBytes))
    try {
      return readSync(this.#descriptor, page, 0, page.length, from)
    } catch (error) {
      if (!isUnreadable(error)) throw error
      return page.fill(0).length
    }
  }

  /**
   * The records from here on. What is damaged, and what refers to a damaged about, is left out; when nothing comes any more, `records`
   * and `shipped` tell how many those were.
   */
  readRecords(from: number, maxRecords: number): SegmentRecords {
    const records: SpooledRecord[] = []
    let end = from
    // Of a window that says nothing but what began, the next one follows.
    for (let begin = -1; records.length === 0 && end > begin;) {
      begin = end
      end = this.#readWindow(begin, maxRecords, records)
    }
    return { records, end }
  }

  #readWindow(begin: number, maxRecords: number, into: SpooledRecord[]): number {
    const bytes = this.#read(begin, windowBytes)
    const isEnd = begin + bytes.length >= this.bytes
    let at = 0
    while (into.length < maxRecords) {
      const found = findFrame(bytes, at, isEnd)
      // The window may end within a frame: only what is too long for one is damaged.
      if (!found) return isEnd ? this.bytes : begin + Math.max(at, bytes.length - maxFrameBytes)
      at = found.at + found.frame.length
      const record = this.#recordOf(found.frame)
      if (record) into.push(record)
    }
    return begin + at
  }

  #recordOf(frame: Frame): SpooledRecord | undefined {
    const about = frame.kind === 'record' ? this.abouts.get(frame.about) : undefined
    return about && { id: frame.id, endMs: frame.instantMs, sequence: frame.sequence, about, line: frame.text() }
  }

  /** Reads what an earlier process left and counts its records. An end that was never written is cut off; damage is passed over. */
  recover(reader: SegmentReader): SegmentDamage {
    const { size } = fstatSync(this.#descriptor)
    this.bytes = size
    const bytes = this.#read(0, size)
    let [at, lastSequence, damagedBytes, lostRecords] = [0, 0, 0, 0]
    for (let found = findFrame(bytes, at, true); found; found = findFrame(bytes, at, true)) {
      const { frame } = found
      if (found.at > at) {
        damagedBytes += found.at - at
        lostRecords += countDamaged(bytes, at, found, lastSequence, reader)
      }
      at = found.at + frame.length
      if (frame.sequence > 0) lastSequence = frame.sequence
      if (!this.#recoverFrame(frame, reader)) lostRecords++
    }
    if (at === size) return { tornBytes: 0, damagedBytes, lostRecords }
    if (!isTorn(bytes, at)) {
      lostRecords += countFrames(bytes, at, size, reader)
      return { tornBytes: 0, damagedBytes: damagedBytes + size - at, lostRecords }
    }
    this.bytes = at
    ftruncateSync(this.#descriptor, at)
    return { tornBytes: size - at, damagedBytes, lostRecords }
  }

  /** False: what the record is about is not there. */
  #recoverFrame(frame: Frame, reader: SegmentReader): boolean {
    this.lastInstantMs = Math.max(this.lastInstantMs, frame.instantMs)
    if (frame.kind === 'about') {
      this.abouts.set(frame.about, { number: frame.about, text: frame.text() })
      return true
    }
    reader.onFrame(frame)
    if (frame.kind === 'open') return true
    if (!this.abouts.has(frame.about)) return false
    this.count(frame.instantMs)
    return true
  }

  count(endMs: number): void {
    this.records++
    if (endMs < this.firstEndMs) this.firstEndMs = endMs
  }

  /** In the background; the death of the process loses nothing, that of the machine what was not synced. */
  sync(onError: (error: Error) => void): void {
    if (!this.#isDirty || this.#isSyncing) return
    this.#isDirty = false
    this.#isSyncing = true
    fdatasync(this.#descriptor, (error) => {
      this.#isSyncing = false
      if (this.#isClosing) closeSync(this.#descriptor)
      if (error) onError(error)
    })
  }

  /** Whoever finds the file knows by its time until when this process lived; `nowMs` in milliseconds since the epoch. */
  touch(nowMs: number): void {
    try {
      futimesSync(this.#descriptor, nowMs / 1000, nowMs / 1000)
    } catch {
      // The time of its last write stays, which is that of this machine's clock.
    }
  }

  modifiedAtMs(): number {
    return fstatSync(this.#descriptor).mtimeMs
  }

  close(): void {
    this.#isClosing = true
    if (!this.#isSyncing) closeSync(this.#descriptor)
  }
}

function isUnreadable(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EIO'
}

/** Records in damaged bytes before a whole frame. Sequences tell exactly how many are missing, if they are known on both sides. */
function countDamaged(
  bytes: Buffer,
  at: number,
  next: { readonly at: number; readonly frame: Frame },
  lastSequence: number,
  reader: SegmentReader,
): number {
  const seen = countFrames(bytes, at, next.at, reader)
  const missing = next.frame.sequence - lastSequence - 1
  if (lastSequence === 0 || next.frame.sequence === 0 || missing < 0) return seen
  return Math.min(missing, mostRecordsIn(next.at - at))
}

function countFrames(bytes: Buffer, at: number, end: number, reader: SegmentReader): number {
  let records = 0
  for (const { kind, id } of listDamaged(bytes, at, end)) {
    reader.onDamaged(id)
    if (kind === null || kind === 'record') records++
  }
  return records
}
