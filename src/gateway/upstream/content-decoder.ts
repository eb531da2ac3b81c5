/** Reads what upstream compressed although it was asked not to. */
import type { Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw, createZstdDecompress } from 'node:zlib'
import { guarded } from '../loop/guarded.ts'
import { failAlone } from '../loop/phases.ts'

export interface DecodedReceiver {
  onDecoded(chunk: Buffer): void
  onDecodedEnd(): void
  onUndecodable(error: Error): void
  /** Told what one of these threw: it came from a stream of Node's, and thrown on it would end the process. */
  fail(error: unknown): void
}

/** Whether a body with this `content-encoding` can be read. */
export function isDecodable(encoding: string): boolean {
  return /^(?:x-)?gzip$|^deflate$|^br$|^zstd$/.test(encoding)
}

/** A body on its way through its decoding. Nothing is told any more once it is closed. */
export class ContentDecoder {
  readonly #encoding: string
  readonly #receiver: DecodedReceiver
  /** Made with the first bytes: by them the two forms of deflate are told apart. */
  #transform: Transform | null = null
  #isPaused = false
  readonly #failed = (error: unknown): void => failAlone(this.#receiver, error)

  constructor(encoding: string, receiver: DecodedReceiver) {
    this.#encoding = encoding
    this.#receiver = receiver
  }

  /** False: no more should be given before `drained` is called. */
  write(chunk: Buffer, drained: () => void): boolean {
    this.#transform ??= this.#open(chunk)
    if (this.#transform.write(chunk)) return true
    this.#transform.once('drain', guarded(drained, this.#failed))
    return false
  }

  end(): void {
    if (this.#transform) this.#transform.end()
    else this.#receiver.onDecodedEnd()
  }

  pause(): void {
    this.#isPaused = true
    this.#transform?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#transform?.resume()
  }

  close(): void {
    this.#transform?.removeAllListeners().on('error', ignore).destroy()
  }

  #open(first: Buffer): Transform {
    const transform = createTransform(this.#encoding, first)
    const receiver = this.#receiver
    transform.on(
      'data',
      guarded((chunk: Buffer) => receiver.onDecoded(chunk), this.#failed),
    )
    transform.once(
      'end',
      guarded(() => receiver.onDecodedEnd(), this.#failed),
    )
    transform.once(
      'error',
      guarded((error: Error) => receiver.onUndecodable(error), this.#failed),
    )
    if (this.#isPaused) transform.pause()
    return transform
  }
}

function createTransform(encoding: string, first: Buffer): Transform {
  switch (encoding) {
    case 'br':
      return createBrotliDecompress()
    case 'zstd':
      return createZstdDecompress()
    case 'deflate':
      // RFC 9110 § 8.4.1.2: in a zlib wrapper, which some servers leave out.
      return ((first[0] ?? 0) & 0x0f) === 8 ? createInflate() : createInflateRaw()
    default:
      return createGunzip()
  }
}

function ignore(): void {}
