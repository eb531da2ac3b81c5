import { randomUUID } from 'node:crypto'
import { closeSync, openSync, read, unlinkSync, write } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const readAsync = promisify(read)
const writeAsync = promisify(write)

/** So much of a body is kept in memory; what comes behind it, on disk. */
const maxMemoryBytes = 512 * 1024
const blockBytes = 128 * 1024

/**
 * A body that may be large, to be read as often as there are attempts, with little of it in memory: the rest is in a file
 * that has no name any more and is gone when it is closed, or when this process dies.
 */
export class SpooledBody implements Disposable {
  size = 0
  /** Bytes in memory. */
  heldBytes = 0
  readonly #memory: Buffer[] = []
  #file: number | null = null
  #fileBytes = 0
  #written: Promise<void> = Promise.resolve()
  /** The latest read: an attempt is abandoned before the next one begins, and reads one block at a time. */
  #reading: Promise<unknown> = Promise.resolve()
  #pendingBytes = 0
  #isClosed = false

  /** False: more is on its way to the disk than should wait; `flushed` says when it has arrived. */
  push(chunk: Buffer): boolean {
    this.size += chunk.length
    if (this.#file === null && this.heldBytes + chunk.length <= maxMemoryBytes) {
      this.#memory.push(chunk)
      this.heldBytes += chunk.length
      return true
    }
    this.#append(chunk)
    return this.#pendingBytes <= maxMemoryBytes
  }

  /** Settles when all that was pushed is stored; rejects if the disk took it not. */
  flushed(): Promise<void> {
    return this.#written
  }

  /** The first bytes, as far as they are in memory. */
  get head(): readonly Buffer[] {
    return this.#memory
  }

  /** The bytes from `start` up to, and without, `end`. */
  async *read(start: number, end: number): AsyncGenerator<Buffer> {
    let at = 0
    for (const chunk of this.#memory) {
      const from = Math.max(start - at, 0)
      const to = Math.min(end - at, chunk.length)
      if (from < to) yield chunk.subarray(from, to)
      at += chunk.length
    }
    for (let position = Math.max(start, at); position < end;) {
      const block = await this.#readBlock(position - at, Math.min(blockBytes, end - position))
      position += block.length
      yield block
    }
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#memory.length = 0
    const file = this.#file
    if (file === null) return
    // Closed under a write or read that is still under way, the number could already be another file's.
    void Promise.allSettled([this.#written, this.#reading]).then(() => closeSync(file))
  }

  #append(chunk: Buffer): void {
    this.#file ??= openNameless()
    const file = this.#file
    const position = this.#fileBytes
    this.#fileBytes += chunk.length
    this.#pendingBytes += chunk.length
    this.#written = this.#store(this.#written, file, chunk, position)
    // Whoever asks `flushed` learns of a failure.
    this.#written.catch(() => {})
  }

  async #store(before: Promise<void>, file: number, chunk: Buffer, position: number): Promise<void> {
    await before
    await writeAll(file, chunk, position)
    this.#pendingBytes -= chunk.length
  }

  async #readBlock(position: number, length: number): Promise<Buffer> {
    if (this.#file === null || this.#isClosed) throw new Error('the body is gone')
    const reading = readAsync(this.#file, Buffer.allocUnsafe(length), 0, length, position)
    this.#reading = reading
    const { bytesRead, buffer } = await reading
    if (bytesRead === 0) throw new Error('the body is shorter than it was')
    return buffer.subarray(0, bytesRead)
  }
}

function openNameless(): number {
  const path = join(tmpdir(), `signalbox-${randomUUID()}`)
  const file = openSync(path, 'wx+', 0o600)
  unlinkSync(path)
  return file
}

async function writeAll(file: number, chunk: Buffer, position: number): Promise<void> {
  let written = 0
  while (written < chunk.length) {
    const { bytesWritten } = await writeAsync(file, chunk, written, chunk.length - written, position + written)
    written += bytesWritten
  }
}
