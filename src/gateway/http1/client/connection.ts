import type { Socket } from 'node:net'
import { guarded } from '../../loop/guarded.ts'
import { Arrivals, type ArrivalsReader } from '../arrivals.ts'
import { failAlone, hasReadSince, nextRead, readUpstreams, sendUpstream } from '../../loop/phases.ts'
import { type AnswerEvents, AnswerParser } from './answer-parser.ts'
import type { AnswerHead } from './answer-head.ts'
import { maxWholeBytes, streamOf } from './body-stream.ts'
import { BodyUpload, type UploadOwner } from './body-upload.ts'
import { type AnswerReceiver, type CallRequest, ExchangeError, type UpstreamExchange } from './exchange.ts'
import { readOn } from './read-on.ts'

/**
 * Opens a socket to an origin and tells when it is ready, or why it is not. The socket itself, for those who no longer want to
 * wait, comes back at once; null: there is none.
 */
export type OpenSocket = (opened: (error: Error | null, socket: Socket | null) => void) => Socket | null

/** Whose connection it is. */
export interface UpstreamConnectionOwner {
  /** The answer has been read, and another request may follow. */
  onFree(connection: UpstreamConnection): void
  /** It had been used before, and ended before a byte of the answer to this request: that needs another connection. */
  onLost(request: CallRequest, receiver: AnswerReceiver): void
  /** Called once; it is of no more use. */
  onClosed(connection: UpstreamConnection): void
}

/** A body up to this is one piece with its head for the socket: to copy it costs less than to write all pieces one by one. */
const maxCopiedBytes = 64 * 1024

/** The margin before the time at which the upstream closes an idle connection: a request must arrive earlier. */
const keepAliveMarginMs = 1_000

/** One connection to an origin, with one request at a time (HTTP/1.1, RFC 9112). */
export class UpstreamConnection implements UpstreamExchange, AnswerEvents, UploadOwner, ArrivalsReader {
  /** How long it may be idle (`monotonicMs`); of its owner's concern. */
  idleUntilMs = 0
  readonly #owner: UpstreamConnectionOwner
  readonly #parser = new AnswerParser(this)
  #socket: Socket | null = null
  #isConnected = false
  #isClosed = false
  #isPaused = false
  /** Whether it does when upstream takes no more. */
  #readsOn = false
  /** By which upstream took no more. */
  #writeError: NodeJS.ErrnoException | null = null
  #request: CallRequest | null = null
  #receiver: AnswerReceiver | null = null
  #upload: BodyUpload | null = null
  /** The request on a connection that was used before, until a byte of its answer has come. */
  #resendable: CallRequest | null = null
  /** By then, what was read behind the last answer is known (`nextRead`). */
  #freeSince = 0
  /** Its request waits for that. */
  #isHeldBack = false
  readonly #arrivals = new Arrivals(readUpstreams, this)
  /** What goes out in this turn. */
  #unsent: Buffer | null = null

  constructor(owner: UpstreamConnectionOwner) {
    this.#owner = owner
  }

  /** Opens it; once. A request may wait for it already. */
  open(openSocket: OpenSocket): void {
    if (this.#isClosed) return
    const opened = guarded(
      (error: Error | null, socket: Socket | null) => (error ? this.close(error) : this.#begin(socket!)),
      (error) => failAlone(this, error),
    )
    const socket = openSocket(opened)
    // Without a socket, or with one that failed at once, it is closed already.
    if (!this.#isClosed) this.#socket = socket
  }

  /** Sends a request. Call it only on a new connection, or after the connection was reported as free. */
  send(request: CallRequest, receiver: AnswerReceiver): void {
    this.#request = request
    this.#receiver = receiver
    if (!this.#isConnected) return
    this.#resendable = request
    if (hasReadSince(this.#freeSince)) this.#write(this.#socket!)
    else this.#sendAfterRead()
  }

  /**
   * Some servers end their connections right behind an answer and do not say so before. That is read no sooner than the event
   * loop polls again: whoever waited for this answer to end comes too early.
   */
  #sendAfterRead(): void {
    this.#isHeldBack = true
    const send = guarded(
      () => {
        this.#isHeldBack = false
        if (!this.#isClosed) this.#write(this.#socket!)
      },
      (error) => failAlone(this, error),
    )
    // The loop polls between one and the next.
    setImmediate(() => setImmediate(send))
  }

  /** The longest that upstream says it keeps an idle connection, in milliseconds, less what a request needs to arrive. */
  get keepAliveMs(): number {
    const stated = this.#parser.head?.keepAlive
    const hint = stated ? /(?:^|[,;\s])timeout=(\d{1,9})/i.exec(stated) : null
    return hint ? Number(hint[1]) * 1000 - keepAliveMarginMs : Infinity
  }

  pause(): void {
    this.#isPaused = true
    this.#socket?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#socket?.resume()
  }

  abort(): void {
    this.#receiver = null
    this.close()
  }

  /** Closes the connection; a waiting request gets the error. */
  close(error?: Error): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#arrivals.drop()
    this.#unsent = null
    const receiver = this.#receiver
    this.#receiver = null
    this.#dropRequest()
    // The error tells the opener of the socket that it is no longer needed.
    if (this.#isConnected) this.#socket?.destroy()
    else this.#socket?.destroy(new ExchangeError('UPSTREAM_CLOSED'))
    this.#owner.onClosed(this)
    receiver?.onFailure(error ?? new ExchangeError('UPSTREAM_CLOSED'))
  }

  onHead(head: AnswerHead): void {
    // Upstream reads no more of it (RFC 9112 § 9.5), and would answer with a reset that can overtake the rest of this.
    if (head.status >= 400 && !this.#parser.isPersistent) this.#upload?.stop()
    this.#receiver?.onHead(head)
  }

  onBody(chunk: Buffer): void {
    this.#receiver?.onBody(chunk)
  }

  onUploaded(): void {
    this.#receiver?.onSent()
  }

  onUploadEnd(): void {
    this.#upload = null
    this.#request = null
  }

  onUploadFailure(error: Error): void {
    this.close(error)
  }

  #begin(socket: Socket): void {
    // Nobody waits any more.
    if (this.#isClosed) return void socket.destroy()
    this.#socket = socket
    this.#isConnected = true
    const failed = (error: unknown) => failAlone(this, error)
    socket
      .on(
        'data',
        guarded((bytes: Buffer) => this.#arrive(bytes), failed),
      )
      .on(
        'end',
        guarded(() => this.#readEnd(), failed),
      )
      .on(
        'error',
        guarded((error: Error) => this.#endWith(error), failed),
      )
      .on(
        'close',
        guarded(() => this.#endWith(), failed),
      )
    // A socket whose address turned out to be forbidden comes destroyed, and says so itself.
    if (this.#request && !socket.destroyed) this.#write(socket)
  }

  #write(socket: Socket): void {
    const { target, headers, body, length } = this.#request!
    this.#parser.begin()
    const head = `POST ${target} HTTP/1.1\r\n${headers}connection: keep-alive\r\ncontent-length: ${length}\r\n\r\n`
    this.#receiver!.onSending()
    if (this.#isClosed) return
    if (length > maxCopiedBytes) this.#readOn(socket)
    if (typeof body === 'function' || length > maxWholeBytes) {
      socket.write(head, 'latin1')
      this.#upload = new BodyUpload(streamOf(body), length, socket, this)
      return
    }
    this.#request = null
    if (length > maxCopiedBytes) {
      this.#writePieces(socket, head, body)
      return this.onUploaded()
    }
    this.#unsent = joined(head, body, length)
    sendUpstream.add(this)
  }

  /** What does not go out at once may be refused, and the answer that says so is to be read. */
  #readOn(socket: Socket): void {
    if (this.#readsOn) return
    this.#readsOn = true
    readOn(socket, (error) => void (this.#writeError = error))
  }

  #writePieces(socket: Socket, head: string, pieces: readonly Buffer[]): void {
    const receiver = this.#receiver
    socket.cork()
    socket.write(head, 'latin1')
    for (const piece of pieces.slice(0, -1)) socket.write(piece)
    // It takes its time to go out, and the wait for the answer begins behind it.
    socket.write(pieces.at(-1)!, () => {
      if (receiver === this.#receiver) this.onUploaded()
    })
    socket.uncork()
  }

  /** It is time for what goes out in this turn. */
  sendUnsent(): void {
    const unsent = this.#unsent
    if (!unsent) return
    this.#unsent = null
    this.#socket!.write(unsent)
    this.onUploaded()
  }

  #arrive(bytes: Buffer): void {
    // The answer may have ended, so that further bytes do not belong to it.
    this.#arrivals.read()
    if (this.#isClosed) return
    // Nobody asked, or not yet: what came could be taken for the answer to the next request.
    if (!this.#receiver || this.#unsent || this.#isHeldBack) return this.#lose()
    this.#resendable = null
    this.#arrivals.push(bytes)
  }

  /** An error of the gateway itself: the waiting request gets it, and the connection is closed. */
  fail(error: unknown): void {
    const receiver = this.#receiver
    this.#receiver = null
    this.close()
    if (receiver?.fail) receiver.fail(error)
    else receiver?.onFailure(error instanceof Error ? error : new ExchangeError('UPSTREAM_CLOSED'))
  }

  take(bytes: Buffer): void {
    if (this.#isClosed) return
    // The answer has ended: this is more than that.
    if (!this.#receiver) return this.close()
    const progress = this.#parser.push(bytes)
    // A callback may have closed the connection.
    if (this.#isClosed) return
    if (progress === 'malformed') this.close(new ExchangeError('UPSTREAM_MALFORMED'))
    else if (progress === 'whole') this.#finish()
  }

  #readEnd(): void {
    this.#arrivals.read()
    const error = this.#writeError
    // A reset says nothing of where a body ends; with `EPIPE`, upstream had ended its side before.
    const isInOrder = error === null || error.code === 'EPIPE'
    // While the request is held back, the parser still speaks of the answer before.
    if (this.#receiver && !this.#isHeldBack && isInOrder && this.#parser.endOfConnection()) this.#finish()
    else this.#lose(error ?? undefined)
  }

  #endWith(error?: Error): void {
    this.#arrivals.read()
    this.#lose(error)
  }

  /** The connection has ended; not by what was read from it, nor by the body that was to be sent. */
  #lose(error?: Error): void {
    const request = this.#resendable
    const receiver = this.#receiver
    if (!request || !receiver || this.#isClosed) return this.close(error)
    this.#receiver = null
    this.#owner.onLost(request, receiver)
    this.close()
  }

  #finish(): void {
    const receiver = this.#receiver
    this.#receiver = null
    this.#freeSince = nextRead()
    if (this.#isPaused) this.resume()
    if (this.#isReusable(this.#socket!)) this.#owner.onFree(this)
    else this.close()
    receiver?.onEnd()
  }

  /** If upstream answered before it took all of the request, it may never take the rest. */
  #isReusable(socket: Socket): boolean {
    return this.#parser.isPersistent && !this.#upload && socket.writableLength === 0
  }

  #dropRequest(): void {
    this.#upload?.stop()
    this.#upload = null
    this.#request = null
    this.#resendable = null
  }
}

function joined(head: string, pieces: readonly Buffer[], length: number): Buffer {
  const all = Buffer.allocUnsafe(head.length + length)
  let at = all.write(head, 'latin1')
  for (const piece of pieces) at += piece.copy(all, at)
  return all
}
