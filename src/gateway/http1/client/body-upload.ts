import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { guarded } from '../../loop/guarded.ts'
import { ExchangeError } from './exchange.ts'

/** Who waits for an upload. */
export interface UploadOwner {
  /** The socket has taken another part. */
  onUploaded(): void
  /** It has taken the last one. */
  onUploadEnd(): void
  onUploadFailure(error: Error): void
  /** Told what threw, instead of all else. */
  fail(error: unknown): void
}

/** Sends a body as it is read, no faster than upstream takes it. */
export class BodyUpload {
  readonly #body: Readable
  readonly #length: number
  readonly #socket: Socket
  readonly #owner: UploadOwner
  #sent = 0
  /** Parts that wait for the socket to take them. */
  #waiting = 0
  #isRead = false
  #isOver = false
  readonly #resume = () => void this.#body.resume()
  readonly #failed = (error: unknown) => {
    this.stop()
    this.#owner.fail(error)
  }
  readonly #onTaken = guarded(
    (error?: Error | null) => {
      // The socket itself says why it took no more.
      if (this.#isOver || error) return
      this.#waiting--
      this.#owner.onUploaded()
      if (this.#isRead) this.#end()
    },
    (error) => this.#failed(error),
  )

  constructor(body: Readable, length: number, socket: Socket, owner: UploadOwner) {
    this.#body = body
    this.#length = length
    this.#socket = socket
    this.#owner = owner
    socket.on('drain', this.#resume)
    body
      .on(
        'data',
        guarded((chunk: Buffer) => this.#send(chunk), this.#failed),
      )
      .on(
        'end',
        guarded(() => this.#end(), this.#failed),
      )
      .on(
        'error',
        guarded((error: Error) => this.#fail(error), this.#failed),
      )
      // One that was destroyed without an error never ends.
      .on(
        'close',
        guarded(() => this.#end(), this.#failed),
      )
  }

  /** Stops sending; no callback is called any more. */
  stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#socket.off('drain', this.#resume)
    this.#body.destroy()
  }

  #send(chunk: Buffer): void {
    if (this.#isOver) return
    this.#sent += chunk.length
    // Bytes beyond `content-length` would be read as the next request.
    if (this.#sent > this.#length) return this.#fail(new ExchangeError('BODY_MISMATCH'))
    this.#waiting++
    if (!this.#socket.write(chunk, this.#onTaken)) this.#body.pause()
  }

  #end(): void {
    if (this.#isOver) return
    if (this.#sent < this.#length) return this.#fail(new ExchangeError('BODY_MISMATCH'))
    this.#isRead = true
    if (this.#waiting > 0) return
    this.stop()
    this.#owner.onUploadEnd()
  }

  #fail(error: Error): void {
    if (this.#isOver) return
    this.stop()
    this.#owner.onUploadFailure(error)
  }
}
