import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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
  readonly #failed: (error: Error) => void
  #file: Promise<FileHandle> | null = null
  #fileBytes = 0
  #written: Promise<void> = Promise.resolve()
  #pendingBytes = 0

  /** `failed` is told, maybe more than once, that the disk does not take it. */
  constructor(failed: (error: Error) => void) {
    this.#failed = failed
  }

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

  /** Closes the file when the write or read that is under way has ended. */
  [Symbol.dispose](): void {
    this.#memory.length = 0
    const file = this.#file
    this.#file = null
    void file?.then((handle) => handle.close()).catch(() => {})
  }

  #append(chunk: Buffer): void {
    this.#file ??= openNameless()
    const position = this.#fileBytes
    this.#fileBytes += chunk.length
    this.#pendingBytes += chunk.length
    this.#written = this.#store(this.#written, this.#file, chunk, position)
    this.#written.catch(this.#failed)
  }

  async #store(before: Promise<void>, file: Promise<FileHandle>, chunk: Buffer, position: number): Promise<void> {
    await before
    await writeAll(await file, chunk, position)
    this.#pendingBytes -= chunk.length
  }

  async #readBlock(position: number, length: number): Promise<Buffer> {
    const file = await this.#file
    if (!file) throw new Error('the body is gone')
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, position)
    if (bytesRead === 0) throw new Error('the body is shorter than it was')
    return buffer.subarray(0, bytesRead)
  }
}

async function openNameless(): Promise<FileHandle> {
  const path = join(tmpdir(), `signalbox-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  try {
    await unlink(path)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

async function writeAll(file: FileHandle, chunk: Buffer, position: number): Promise<void> {
  let written = 0
  while (written < chunk.length) {
    const { bytesWritten } = await file.write(chunk, written, chunk.length - written, position + written)
    written += bytesWritten
  }
}
