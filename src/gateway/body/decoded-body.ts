import type { Transform } from 'node:stream'
import { constants, createGunzip, createZstdDecompress } from 'node:zlib'
import type { Exchange } from '../http1/server/exchange.ts'
import { guarded } from '../loop/guarded.ts'
import {
  type BodyEnd,
  type BoundedBodyReader,
  type IncomingBody,
  RequestBody,
  type SilenceWatch,
} from './request-body.ts'

/** A content coding that can be taken off. */
export type ContentCoding = 'gzip' | 'zstd'

export interface DecodedBodyOptions {
  readonly exchange: Exchange
  readonly coding: ContentCoding
  /** The limit applies to the decompressed bytes as well as to the received ones. */
  readonly maxBytes: number
  readonly silence: SilenceWatch
}

/** The size of decompressed chunks: a body above the limit is noticed before more is decompressed. */
const pieceBytes = 64 * 1024

/** The window of zstd, as RFC 9659 limits it for content codings: 8 MiB. It is what a decoder holds in memory. */
const maxWindowLog = 23

/** Memory that taking a coding off needs. */
export const decoderBytes: Readonly<Record<ContentCoding, number>> = { gzip: 64 * 1024, zstd: 2 ** maxWindowLog }

/** Decompresses a body. The limit counts decompressed bytes, and no more is decompressed than the reader accepts. */
export class DecodedBody implements IncomingBody, BoundedBodyReader {
  readonly #wire: RequestBody
  readonly #reader: BoundedBodyReader
  readonly #maxBytes: number
  readonly #decoder: Decoder
  #cameBytes = 0
  #madeBytes = 0
  #isOver = false

  constructor({ exchange, coding, maxBytes, silence }: DecodedBodyOptions, reader: BoundedBodyReader) {
    this.#wire = new RequestBody(exchange, maxBytes, silence, this)
    this.#reader = reader
    this.#maxBytes = maxBytes
    this.#decoder = createDecoder(coding)
    const failed = (error: unknown) => this.fail(error)
    this.#decoder
      .on(
        'data',
        guarded((piece: Buffer) => this.#pass(piece), failed),
      )
      .on(
        'end',
        guarded(() => this.#end(), failed),
      )
      .on(
        'drain',
        guarded(() => this.#wire.hold(false), failed),
      )
      .on(
        'error',
        guarded(() => this.giveUp('undecodable'), failed),
      )
  }

  get beganAtMs(): number {
    return this.#wire.beganAtMs
  }

  begin(): void {
    this.#wire.begin()
  }

  giveUp(end: BodyEnd): void {
    if (this.#isOver) return
    this.leave()
    this.#reader.onBodyEnd(end)
  }

  leave(): void {
    this.#isOver = true
    this.#wire.leave()
    this.#decoder.destroy()
  }

  hold(isHeld: boolean): void {
    if (this.#isOver) return
    if (isHeld) this.#decoder.pause()
    else this.#decoder.resume()
  }

  fail(error: unknown): void {
    this.leave()
    this.#reader.fail(error)
  }

  onChunk(chunk: Buffer): void {
    if (this.#isOver) return
    this.#cameBytes += chunk.length
    if (!this.#decoder.write(chunk)) this.#wire.hold(true)
  }

  onBodyEnd(end: BodyEnd): void {
    if (end === 'whole') this.#decoder.end()
    else this.giveUp(end)
  }

  #pass(piece: Buffer): void {
    if (this.#isOver) return
    this.#madeBytes += piece.length
    if (this.#madeBytes > this.#maxBytes) this.giveUp('tooLarge')
    else this.#reader.onChunk(piece)
  }

  /** Bytes behind the end of what was compressed are not read by every decoder, and so could be anything. */
  #end(): void {
    this.giveUp(this.#decoder.bytesWritten === this.#cameBytes ? 'whole' : 'undecodable')
  }
}

type Decoder = Transform & { readonly bytesWritten: number }

function createDecoder(coding: ContentCoding): Decoder {
  if (coding === 'gzip') return createGunzip({ chunkSize: pieceBytes })
  return createZstdDecompress({
    chunkSize: pieceBytes,
    params: { [constants.ZSTD_d_windowLogMax]: maxWindowLog },
  })
}
