/** A client's connection: HTTP/1.1 (RFC 9112), one exchange after the other. */
import type { Socket } from 'node:net'
import { guarded } from '../../loop/guarded.ts'
import { Arrivals, type ArrivalsReader } from '../arrivals.ts'
import { ChunkedDecoder, type ChunkedReader } from '../chunked-coding.ts'
import { monotonicMs } from '../../loop/monotonic.ts'
import { PendingBytes } from '../../loop/pending-bytes.ts'
import type { IndexedMember } from '../../loop/indexed-set.ts'
import { maxStagedBytes, readClients, sendClients } from '../../loop/phases.ts'
import { type ClientMemory, Exchange, type ExchangeCarrier, keepAliveSeconds } from './exchange.ts'
import { headOfBeginning, RequestHead } from './request-head.ts'

/** The fault of a head that cannot be parsed. */
export type HeadFault = 'bad_request' | 'headers_too_large' | 'request_timeout'

/** The callbacks for a client's requests. */
export interface DownstreamConnectionOwner {
  /** A request has begun: its head is here. */
  onExchange(exchange: Exchange): void
  /**
   * A head cannot be read, or was too slow to come. The exchange is to be answered, and the connection ends behind it. Of its
   * head only method and target are known; both are empty if what came did not begin as a request.
   */
  onFault(exchange: Exchange, fault: HeadFault, detail: string): void
  onClosed(connection: DownstreamConnection): void
  /** Something threw outside of a request. The connection is closed behind it. */
  onInternalFault(error: unknown): void
  /** Requests wait behind others in so many bytes more, or less. False: there is no room for them. */
  holdWaiting(bytes: number): boolean
  /**
   * So many bytes of clients that had their last answer were read over. False: enough for now, since what is read leaves garbage
   * behind that grows with its pace.
   */
  countReadOver(bytes: number): boolean
}

/** As Node has it. */
const maxHeadBytes = 16 * 1024
/**
 * Requests that a client sends without waiting for answers wait here, up to so many bytes. Then the client is held back, but not
 * for long: that it left could not be seen behind bytes that nobody reads.
 */
const maxWaitingBytes = 64 * 1024
const maxHoldMs = 50
/** A client that goes on sending behind an answer that takes longer than that loses its connection with that answer. */
const maxOverdueBytes = 256 * 1024
/** Empty lines before a request are read over (RFC 9112 § 2.2), so many bytes of them. */
const maxEmptyBytes = 16

const headTimeoutMs = 15_000
const idleTimeoutMs = keepAliveSeconds * 1000
/**
 * How long, and how much, a client may go on sending what nobody reads: a connection that is closed while bytes arrive is reset,
 * and the client loses the answer that it was sent. The times are those of nginx' `lingering_time` and `lingering_timeout`.
 */
const lingerMs = 30_000
const lingerSilenceMs = 5_000
const maxLingerBytes = 256 * 1024 * 1024

const headEnd = Buffer.from('\r\n\r\n')
const nothing = Buffer.alloc(0)

/**
 * `idle`: nothing of a request has come. `head`: a part of its head has. `body`: its body is coming. `answering`: it has
 * come. `lingering`: the last answer was sent, and what comes is read over. `closed`.
 */
type Stage = 'idle' | 'head' | 'body' | 'answering' | 'lingering' | 'closed'

export class DownstreamConnection implements IndexedMember, ExchangeCarrier, ChunkedReader, ArrivalsReader {
  indexInSet = -1
  readonly memory: ClientMemory = { key: null, keyHash: null }
  readonly #socket: Socket
  readonly #owner: DownstreamConnectionOwner
  readonly #untakenMs: number
  #stage: Stage = 'idle'
  /** When the stage began, as far as it has a limit (`monotonicMs`). */
  #sinceMs = monotonicMs()
  #isFirst = true
  readonly #arrivals = new Arrivals(readClients, this)
  /** What goes out in this turn. */
  #unsent: Buffer | null = null
  /** The beginning of a head, or requests behind the current one: what was read and could not be taken yet. */
  #waiting: Buffer | null = null
  /** The same if more was added to it. */
  #queue: PendingBytes | null = null
  /** What was reported to the owner about request and response. */
  #heldBytes = 0
  /** Since too much waits behind the current answer. */
  #holdTimer: NodeJS.Timeout | null = null
  /** It was held back for long enough. */
  #readsOn = false
  /** Too many bytes wait: further bytes are discarded, and the connection ends after the current answer. */
  #isOverrun = false
  #lingerBytes = 0
  /** As much was read over for all connections as may be for now. */
  #isLingerHeld = false
  #lastByteAtMs = 0
  #isReading = false
  #isBodyHeld = false
  /** Nobody reads the body yet: what has come of it waits. */
  #isBodyDeferred = false
  #isPaused = false
  #exchange: Exchange | null = null
  #bodyLeft = 0
  #chunked: ChunkedDecoder | null = null
  /** The answer has ended; its last bytes may be on their way to a slow client. */
  #isAnswered = false
  /** Since when what was sent waits for the client to take it (`monotonicMs`); 0: nothing does. */
  #waitsSinceMs = 0

  /**
   * `untakenMs`: a client for which more waits for so long is taken for gone. It is long, since a slow one that takes some all the
   * time looks the same: the system says that there is room again when a large part of its buffers, up to megabytes, has gone.
   */
  constructor(socket: Socket, owner: DownstreamConnectionOwner, untakenMs: number) {
    this.#socket = socket
    this.#owner = owner
    this.#untakenMs = untakenMs
    socket.on('data', (bytes: Buffer) => this.#arrivals.push(bytes))
    const failed = (error: unknown) => this.fail(error)
    socket.on(
      'drain',
      guarded(() => this.#drain(), failed),
    )
    socket.on(
      'end',
      guarded(() => this.#leave(), failed),
    )
    socket.on('error', () => {})
    socket.on(
      'close',
      guarded(() => this.#close(), failed),
    )
  }

  /** Closes it for a fault of the gateway's own. */
  fail(error: unknown): void {
    this.#unsent = null
    this.#owner.onInternalFault(error)
    this.destroy()
  }

  /** Ends what has taken too long; to be called now and then. */
  check(nowMs: number): void {
    const forMs = nowMs - this.#sinceMs
    if (this.#waitsSinceMs > 0 && nowMs - this.#waitsSinceMs > this.#untakenMs) return this.destroy()
    switch (this.#stage) {
      case 'idle':
        if (forMs > (this.#isFirst ? headTimeoutMs : idleTimeoutMs)) this.destroy()
        return
      case 'head':
        if (forMs > headTimeoutMs)
          this.#refuse('request_timeout', 'its head did not come in time', this.#waiting ?? nothing)
        return
      case 'lingering':
        if (forMs > lingerMs) this.destroy()
        else if (this.#isLingerHeld) this.#lingerOn(nowMs)
        else if (nowMs - this.#lastByteAtMs > lingerSilenceMs) this.destroy()
        return
      case 'body':
      case 'answering':
        // It is over but for a client that does not read its answer, or does not send the rest of its body.
        if (this.#isAnswered && forMs > (this.#socket.writableLength > 0 ? this.#untakenMs : idleTimeoutMs))
          this.destroy()
        return
      case 'closed':
    }
  }

  // ── what the exchange asks for ──

  send(bytes: Buffer): boolean {
    this.#writeUnsent()
    if (bytes.length > maxStagedBytes) return this.#write(bytes)
    this.#unsent = bytes
    sendClients.add(this)
    return !this.#socket.writableNeedDrain
  }

  sendAll(parts: readonly Buffer[]): boolean {
    this.#writeUnsent()
    const socket = this.#socket
    socket.cork()
    let hasRoom = true
    for (const part of parts) hasRoom = socket.write(part)
    socket.uncork()
    return this.#noteRoom(hasRoom)
  }

  holdBody(isHeld: boolean): void {
    this.#isBodyHeld = isHeld
    this.#steer()
  }

  deferBody(): void {
    if (this.#stage !== 'body') return
    this.#isBodyDeferred = true
    this.holdBody(true)
  }

  readBody(): void {
    if (!this.#isBodyDeferred) return
    this.#isBodyDeferred = false
    this.holdBody(false)
    const waiting = this.#takeWaiting()
    if (waiting) this.#read(waiting)
  }

  finish(): void {
    this.#isAnswered = true
    if (!this.#unsent) this.#endWhenSent()
  }

  destroy(): void {
    this.#writeUnsent()
    this.#socket.destroy()
    this.#close()
  }

  reset(): void {
    this.#socket.resetAndDestroy()
    this.#close()
  }

  /** It is time for what goes out in this turn. */
  sendUnsent(): void {
    if (!this.#unsent) return
    this.#writeUnsent()
    if (this.#isAnswered) this.#endWhenSent()
  }

  #writeUnsent(): void {
    const unsent = this.#unsent
    this.#unsent = null
    if (unsent) this.#write(unsent)
  }

  #write(bytes: Buffer): boolean {
    return this.#noteRoom(this.#socket.write(bytes))
  }

  #endWhenSent(): void {
    if (this.#socket.writableLength === 0) return this.#endExchange()
    this.#sinceMs = monotonicMs()
    // Called when all before it has gone out.
    this.#socket.write(nothing, () => this.#endExchange())
  }

  #noteRoom(hasRoom: boolean): boolean {
    if (!hasRoom && this.#waitsSinceMs === 0) this.#waitsSinceMs = monotonicMs()
    return hasRoom
  }

  // ── what the socket says ──

  take(bytes: Buffer): void {
    if (this.#mustWait) return this.#wait(bytes)
    const waiting = this.#takeWaiting()
    this.#read(waiting ? Buffer.concat([waiting, bytes]) : bytes)
  }

  /** What comes cannot be read yet. */
  get #mustWait(): boolean {
    return this.#stage === 'answering' || this.#isBodyDeferred
  }

  /** Requests wait behind the current one, or its body does. */
  #wait(bytes: Buffer): void {
    if (this.#isOverrun) return
    const hasRoom = this.#heldBytes + bytes.length <= maxOverdueBytes && this.#hold(bytes.length)
    // Of a body nothing may be missing.
    if (!hasRoom) return this.#isBodyDeferred ? this.destroy() : this.#overrun()
    if (this.#waiting) this.#enqueue(this.#waiting, bytes)
    else this.#waiting = bytes
    if (this.#heldBytes >= maxWaitingBytes) this.#steer()
  }

  #enqueue(first: Buffer, bytes: Buffer): void {
    if (!this.#queue) {
      this.#queue = new PendingBytes()
      this.#queue.append(first)
    }
    this.#queue.append(bytes)
  }

  #overrun(): void {
    this.#isOverrun = true
    this.#takeWaiting()
    if (this.#exchange) this.#exchange.keepsAlive = false
  }

  #takeWaiting(): Buffer | null {
    const waiting = this.#queue?.bytes ?? this.#waiting
    this.#waiting = null
    this.#queue = null
    this.#hold(-this.#heldBytes)
    return waiting
  }

  #hold(bytes: number): boolean {
    if (bytes === 0) return true
    if (!this.#owner.holdWaiting(bytes)) return false
    this.#heldBytes += bytes
    return true
  }

  #drain(): void {
    this.#waitsSinceMs = 0
    this.#exchange?.onDrain()
  }

  /** The client says no more, and that is how clients leave. What was answered still goes out. */
  #leave(): void {
    this.#arrivals.read()
    if (this.#exchange && !this.#isAnswered) this.destroy()
  }

  #close(): void {
    if (this.#stage === 'closed') return
    this.#stage = 'closed'
    this.#arrivals.drop()
    this.#unsent = null
    this.#endHold()
    this.#takeWaiting()
    this.#owner.onClosed(this)
    this.#exchange?.onOver()
    this.#exchange = null
  }

  // ── reading ──

  /** Reads on, as far as it may: an exchange that ends meanwhile does not call this again from within. */
  #read(bytes: Buffer): void {
    let at = 0
    this.#isReading = true
    while (at < bytes.length && !this.#isBodyDeferred) {
      const before = at
      if (this.#stage === 'body') at = this.#readBody(bytes, at)
      else if (this.#stage === 'idle' || this.#stage === 'head') at = this.#readHead(bytes, at)
      else if (this.#stage !== 'answering') at = this.#readOver(bytes)
      if (at === before) break
    }
    this.#isReading = false
    if (this.#stage === 'closed') return
    if (at < bytes.length) this.#keep(at === 0 ? bytes : bytes.subarray(at))
    if (this.#isPaused) this.#steer()
  }

  #keep(rest: Buffer): void {
    if (this.#mustWait) this.#wait(rest)
    else this.#waiting = rest
  }

  /** What a client sends behind its last answer. */
  #readOver(bytes: Buffer): number {
    this.#lastByteAtMs = monotonicMs()
    this.#lingerBytes += bytes.length
    if (this.#lingerBytes > maxLingerBytes) this.destroy()
    else if (!this.#owner.countReadOver(bytes.length)) {
      this.#isLingerHeld = true
      this.#steer()
    }
    return bytes.length
  }

  /** Held back, it cannot be silent. */
  #lingerOn(nowMs: number): void {
    this.#lastByteAtMs = nowMs
    if (!this.#owner.countReadOver(0)) return
    this.#isLingerHeld = false
    this.#steer()
  }

  /** Holds the client back while its body cannot be taken, and for a moment while too many requests wait. */
  #steer(): void {
    const isFull = this.#stage === 'answering' && this.#heldBytes >= maxWaitingBytes && !this.#readsOn
    const isHeld = isFull || this.#isBodyHeld || this.#isLingerHeld
    if (isFull) this.#holdTimer ??= setTimeout(() => this.#readOn(), maxHoldMs)
    if (isHeld === this.#isPaused || this.#stage === 'closed') return
    this.#isPaused = isHeld
    if (isHeld) this.#socket.pause()
    else this.#socket.resume()
  }

  #readOn(): void {
    this.#holdTimer = null
    this.#readsOn = true
    this.#steer()
  }

  #endHold(): void {
    if (this.#holdTimer) clearTimeout(this.#holdTimer)
    this.#holdTimer = null
  }

  /** Returns where the head ended, or `from`: more has to come. */
  #readHead(bytes: Buffer, from: number): number {
    const start = skipEmptyLines(bytes, from)
    if (start === bytes.length) return start
    const end = findHeadEnd(bytes, start)
    if (end < 0) return this.#awaitHead(bytes, start) ? from : bytes.length
    const head = new RequestHead()
    const fault = head.read(bytes.toString('latin1', start, end))
    if (fault) this.#refuse('bad_request', fault, bytes.subarray(start, end))
    else this.#begin(head)
    return end + headEnd.length
  }

  /** Whether the rest of a head may come. */
  #awaitHead(bytes: Buffer, start: number): boolean {
    if (this.#stage === 'idle') {
      this.#stage = 'head'
      // A client's first head is timed from the moment when it connected.
      if (!this.#isFirst) this.#sinceMs = monotonicMs()
    }
    const isTooLong = bytes.length - start > maxHeadBytes
    // Lines that end without CR would never be recognised.
    if (!isTooLong && !hasBareLineFeed(bytes, start)) return true
    const beginning = bytes.subarray(start)
    if (isTooLong) this.#refuse('headers_too_large', 'its head is too long', beginning)
    else this.#refuse('bad_request', 'its lines do not end with CR LF', beginning)
    return false
  }

  #begin(head: RequestHead): void {
    this.#isFirst = false
    this.#stage = head.hasBody ? 'body' : 'answering'
    this.#bodyLeft = head.contentLength ?? 0
    this.#chunked = head.isChunked ? new ChunkedDecoder() : null
    this.#exchange = new Exchange(head, this)
    this.#owner.onExchange(this.#exchange)
  }

  #readBody(bytes: Buffer, from: number): number {
    if (this.#chunked) return this.#readChunked(this.#chunked, bytes, from)
    const end = Math.min(bytes.length, from + this.#bodyLeft)
    this.#bodyLeft -= end - from
    this.onBody(from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end))
    if (this.#bodyLeft === 0) this.#endBody()
    return end
  }

  #readChunked(decoder: ChunkedDecoder, bytes: Buffer, from: number): number {
    const end = decoder.push(bytes, from, this)
    if (decoder.isOver) this.#endBody()
    if (decoder.isBroken) this.#giveBodyUp()
    return decoder.isBroken ? bytes.length : end
  }

  /** The beginning of the next request is unknown, so further bytes are discarded until the connection ends. */
  #giveBodyUp(): void {
    if (this.#stage !== 'body') return
    this.#chunked = null
    this.#bodyLeft = Infinity
    const exchange = this.#exchange
    if (!exchange || exchange.isOver) return this.destroy()
    exchange.keepsAlive = false
    const { reader } = exchange
    exchange.reader = null
    reader?.onBodyEnd('malformed')
  }

  onBody(part: Buffer): void {
    const exchange = this.#exchange
    if (!exchange) return
    exchange.receivedBytes += part.length
    exchange.reader?.onChunk(part)
  }

  #endBody(): void {
    // What was read last may have ended the connection.
    if (this.#stage !== 'body') return
    const exchange = this.#exchange
    // Its answer came before all of it was read.
    if (!exchange || exchange.isOver) return this.#next()
    this.#stage = 'answering'
    // Held back any longer, it could not be seen leaving.
    if (this.#isBodyHeld) this.holdBody(false)
    exchange.isReceived = true
    exchange.reader?.onBodyEnd('whole')
  }

  // ── from one exchange to the next ──

  #endExchange(): void {
    const exchange = this.#exchange
    if (!exchange || this.#stage === 'closed') return
    exchange.onOver()
    if (!exchange.keepsAlive) this.#linger()
    else if (exchange.isReceived) this.#next()
    else this.#awaitRest()
  }

  /** The answer did not wait for the body: the rest of it is read over. */
  #awaitRest(): void {
    this.#sinceMs = monotonicMs()
    this.readBody()
  }

  #next(): void {
    this.#leaveExchange('idle')
    if (this.#isReading) return
    const waiting = this.#takeWaiting()
    if (waiting) this.#read(waiting)
    this.#steer()
  }

  /** Ends the sending side and gives the client a moment to read the answer. */
  #linger(): void {
    this.#leaveExchange('lingering')
    this.#takeWaiting()
    this.#lastByteAtMs = this.#sinceMs
    this.#steer()
    this.#socket.end()
  }

  #leaveExchange(stage: Stage): void {
    this.#exchange = null
    this.#chunked = null
    this.#isAnswered = false
    this.#isBodyHeld = false
    this.#isBodyDeferred = false
    this.#readsOn = false
    this.#endHold()
    this.#stage = stage
    this.#sinceMs = monotonicMs()
  }

  /** `beginning`: of the head, as far as it has come. */
  #refuse(fault: HeadFault, detail: string, beginning: Buffer): void {
    const exchange = new Exchange(headOfBeginning(beginning.toString('latin1', 0, maxHeadBytes)), this)
    exchange.keepsAlive = false
    this.#takeWaiting()
    this.#stage = 'answering'
    this.#exchange = exchange
    this.#owner.onFault(exchange, fault, detail)
  }
}

/** Where the head's empty line begins, or -1: it is not there, or not within the limit. */
function findHeadEnd(bytes: Buffer, start: number): number {
  const end = bytes.indexOf(headEnd, start)
  return end - start > maxHeadBytes ? -1 : end
}

function hasBareLineFeed(bytes: Buffer, start: number): boolean {
  for (let at = bytes.indexOf(0x0a, start); at >= 0; at = bytes.indexOf(0x0a, at + 1)) {
    if (at === start || bytes[at - 1] !== 0x0d) return true
  }
  return false
}

function skipEmptyLines(bytes: Buffer, from: number): number {
  let at = from
  while (at < bytes.length && at - from < maxEmptyBytes && (bytes[at] === 0x0d || bytes[at] === 0x0a)) at++
  return at
}
