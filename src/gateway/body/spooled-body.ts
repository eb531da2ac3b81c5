import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BodyShare } from './budget.ts'
import { BodyPieces } from './pieces.ts'

/** The bytes of a body that are kept in memory; the rest goes to disk. */
const maxMemoryBytes = 512 * 1024
const blockBytes = 128 * 1024
/** Shorter chunks are collected before a write, because each write needs a switch to another thread. */
const writeBytes = 64 * 1024

/** `busy`: more is on its way to the disk than should wait; `flushed` says when it has arrived. `noRoom`: it was not taken. */
export type BodyWriteResult = 'taken' | 'busy' | 'noRoom'

/**
 * A body that may be large, to be read as often as there are attempts, with little of it in memory: the rest is in a file
 * that has no name any more and is gone when it is closed, or when this process dies.
 */
export class SpooledBody implements Disposable {
  size = 0
  readonly #share: BodyShare
  readonly #failed: (error: Error) => void
  readonly #pieces = new BodyPieces()
  #heldBytes = 0
  #memory: readonly Buffer[] = []
  #file: Promise<FileHandle> | null = null
  #fileBytes = 0
  readonly #unwritten = new BodyPieces()
  #unwrittenBytes = 0
  #written: Promise<void> = Promise.resolve()
  #pendingBytes = 0

  /** `failed` is called, maybe more than once, if the disk refuses a write. The caller must dispose of the share. */
  constructor(share: BodyShare, failed: (error: Error) => void) {
    this.#share = share
    this.#failed = failed
  }

  push(chunk: Buffer): BodyWriteResult {
    this.size += chunk.length
    if (this.#fileBytes === 0 && this.#heldBytes + chunk.length <= maxMemoryBytes) return this.#hold(chunk)
    if (!this.#share.holdOnDisk(chunk.length)) return 'noRoom'
    this.#append(chunk)
    return this.#pendingBytes <= maxMemoryBytes ? 'taken' : 'busy'
  }

  /** Settles when all that was pushed is stored; rejects if the disk took it not. */
  flushed(): Promise<void> {
    this.#write()
    return this.#written
  }

  /** The bytes from `start` up to, and without, `end`. To be asked when all has been `flushed`. */
  async *read(start: number, end: number): AsyncGenerator<Buffer> {
    let at = 0
    if (this.#memory.length === 0) this.#memory = this.#pieces.take()
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
    this.#memory = []
    this.#pieces.take()
    this.#unwritten.take()
    this.#unwrittenBytes = 0
    const file = this.#file
    this.#file = null
    void file?.then((handle) => handle.close()).catch(() => {})
  }

  #hold(chunk: Buffer): BodyWriteResult {
    if (!this.#share.hold(chunk.length)) return 'noRoom'
    this.#heldBytes += chunk.length
    this.#pieces.add(chunk)
    return 'taken'
  }

  #append(chunk: Buffer): void {
    this.#fileBytes += chunk.length
    this.#pendingBytes += chunk.length
    this.#unwrittenBytes += chunk.length
    this.#unwritten.add(chunk)
    if (this.#unwrittenBytes >= writeBytes) this.#write()
  }

  #write(): void {
    if (this.#unwrittenBytes === 0) return
    const pieces = this.#unwritten.take()
    const block = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    const position = this.#fileBytes - block.length
    this.#unwrittenBytes = 0
    this.#file ??= openNameless()
    this.#written = this.#store(this.#written, this.#file, block, position)
    this.#written.catch(this.#failed)
  }

  async #store(before: Promise<void>, file: Promise<FileHandle>, block: Buffer, position: number): Promise<void> {
    await before
    await writeAll(await file, block, position)
    this.#pendingBytes -= block.length
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

async function writeAll(file: FileHandle, block: Buffer, position: number): Promise<void> {
  let written = 0
  while (written < block.length) {
    const { bytesWritten } = await file.write(block, written, block.length - written, position + written)
    written += bytesWritten
  }
}
