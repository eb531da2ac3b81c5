import { closeSync, fdatasync, fstatSync, ftruncateSync, futimes, openSync, readSync, writeSync } from 'node:fs'
import type { UsageAbout } from '../../routing/usage-entry.ts'
import { type Frame, readFrame } from './frame.ts'

/** One file of the spool. What was appended is in it to the byte, or not at all. */
export class Segment {
  readonly path: string
  /** Of whole frames. */
  bytes = 0
  /** What its records refer to, by number. */
  readonly abouts = new Map<number, UsageAbout>()
  /** Ended requests in it, and how many of them have been shipped. */
  records = 0
  shipped = 0
  /** The earliest end of a request in it, in milliseconds since the epoch. */
  firstEndMs = Infinity
  /** It ends with a torn frame that could not be cut off: nothing may be appended behind it. */
  isBroken = false
  readonly #descriptor: number
  #isDirty = false
  #isSyncing = false
  #isClosing = false

  constructor(path: string) {
    this.path = path
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
  read(from: number, maxBytes: number): Buffer {
    const bytes = Buffer.allocUnsafe(Math.min(maxBytes, this.bytes - from))
    let length = 0
    while (length < bytes.length) {
      const read = readSync(this.#descriptor, bytes, length, bytes.length - length, from + length)
      if (read === 0) break
      length += read
    }
    return bytes.subarray(0, length)
  }

  /** Reads what an earlier process left, counts its records, and cuts off what is not whole: returns those bytes' number. */
  recover(onFrame: (frame: Frame) => void): number {
    const { size } = fstatSync(this.#descriptor)
    this.bytes = size
    const bytes = this.read(0, size)
    let at = 0
    for (let frame = readFrame(bytes, at); frame; frame = readFrame(bytes, at)) {
      at += frame.length
      if (frame.kind === 'record') this.count(frame.instantMs)
      if (frame.kind === 'about') this.abouts.set(frame.about, { number: frame.about, text: frame.text() })
      else onFrame(frame)
    }
    this.bytes = at
    if (at < size) ftruncateSync(this.#descriptor, at)
    return size - at
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

  /** Whoever finds the file knows by its time until when this process lived. */
  touch(): void {
    const now = Date.now() / 1000
    futimes(this.#descriptor, now, now, () => undefined)
  }

  modifiedAtMs(): number {
    return fstatSync(this.#descriptor).mtimeMs
  }

  close(): void {
    this.#isClosing = true
    if (!this.#isSyncing) closeSync(this.#descriptor)
  }
}
