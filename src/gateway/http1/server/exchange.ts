/** One request of a client and its answer, on a connection that may carry more of them. */
import { STATUS_CODES } from 'node:http'
import type { RequestHead } from './request-head.ts'

/** Who takes the body of a request. */
export interface BodyReader {
  onChunk(chunk: Buffer): void
  /** Called once, unless the client leaves before. `malformed`: what came cannot be read as a body. */
  onBodyEnd(end: 'whole' | 'malformed'): void
}

/** State about a client that is kept between requests on a connection. */
export interface ClientMemory {
  /** The key that it sent last, and its hash: most clients send the same one all the time. */
  key: string | null
  keyHash: string | null
}

/** The connection below, as its current exchange sees it. */
export interface ExchangeCarrier {
  readonly memory: ClientMemory
  /** False: more is waiting to be sent than should be. */
  send(bytes: Buffer): boolean
  /** Sends all of them, in one go. */
  sendAll(parts: readonly Buffer[]): boolean
  holdBody(isHeld: boolean): void
  /** Received bytes of the body wait until `readBody` is called. */
  deferBody(): void
  readBody(): void
  /** The answer is over. */
  finish(): void
  /** Closes the connection at once: an answer that was cut must not look whole. */
  destroy(): void
  /** The same, and in a way that no client could take for the end of a body. */
  reset(): void
}

/** The callbacks of an exchange. */
export interface ExchangeWatcher {
  /** Once: all of the answer was sent, or the client has left. */
  onOver(): void
}

/** Seconds for which an idle connection is kept, as sent to clients. */
export const keepAliveSeconds = 65

/** Longer pieces of a body are not copied. */
const maxCopiedBytes = 16 * 1024

/** Shorter rests of a request's body are read to their end when the answer does not wait for them; longer ones cost the connection. */
const maxIgnoredBytes = 64 * 1024

const lineEnd = Buffer.from('\r\n')
const lastChunk = '0\r\n\r\n'
const none = Buffer.alloc(0)

export class Exchange {
  readonly head: RequestHead
  /** Whether the connection stays open behind the answer. */
  keepsAlive: boolean
  /** All of the request's body has come. */
  isReceived = false
  /** Of the answer; 0: it has not begun. */
  status = 0
  /** The reader of the body; null: the body is discarded. */
  reader: BodyReader | null = null
  /** Bytes of the body that came so far. */
  receivedBytes = 0
  /** Lines that stand in the head of each answer, whatever it is; each with its line break. */
  commonLines = ''
  isOver = false
  readonly #carrier: ExchangeCarrier
  #watcher: ExchangeWatcher | null = null
  /** The head of the answer, until it goes out with the first bytes of its body. */
  #pendingHead = ''
  #isChunked = false
  /** HTTP/1.0 without a length: the end of the connection is the end of the body. */
  #endsWithConnection = false
  #hasBody = true
  #isEnded = false
  #isInvited = false
  #drained: (() => void) | null = null

  constructor(head: RequestHead, carrier: ExchangeCarrier) {
    this.head = head
    this.keepsAlive = head.keepsAlive
    this.isReceived = !head.hasBody
    this.#carrier = carrier
  }

  get memory(): ClientMemory {
    return this.#carrier.memory
  }

  watch(watcher: ExchangeWatcher): void {
    this.#watcher = watcher
  }

  // ── the request ──

  /** Sets the reader of the body. Bytes that have arrived are delivered within this call. */
  read(reader: BodyReader): void {
    if (this.isReceived) return reader.onBodyEnd('whole')
    this.reader = reader
    this.#carrier.readBody()
  }

  /** Holds the body back: without this, bytes that arrive before a reader is set would be discarded. */
  deferBody(): void {
    this.#carrier.deferBody()
  }

  /** Tells a client that waits for it to send its body. */
  invite(): void {
    this.#isInvited = true
    this.#carrier.send(Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'))
  }

  /** Holds the client back while its body cannot be taken. */
  holdBody(isHeld: boolean): void {
    if (!this.isReceived) this.#carrier.holdBody(isHeld)
  }

  // ── the answer ──

  /** A whole answer. `headers`: name, value, name, value, … in ASCII. */
  answer(status: number, headers: readonly string[], body: Buffer): void {
    this.begin(status, headers, body.length)
    this.end(body)
  }

  /** Begins the answer; its head goes out with the first bytes of its body. `length`: of the body, in bytes; null: unknown. */
  begin(status: number, headers: readonly string[], length: number | null): void {
    this.status = status
    this.#hasBody = this.head.method !== 'HEAD' && status !== 204 && status !== 304
    let text = status === 200 ? 'HTTP/1.1 200 OK\r\n' : `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
    let hasDate = false
    for (let i = 0; i < headers.length; i += 2) {
      text += `${headers[i]}: ${headers[i + 1]}\r\n`
      if (headers[i] === 'date') hasDate = true
    }
    if (!hasDate) text += `date: ${httpDate()}\r\n`
    text += this.commonLines
    this.#pendingHead = `${text}${this.#framing(status, length)}${this.#persistence()}\r\n`
  }

  /** Sends bytes of the body; false: the client is slow, and `whenDrained` says when it has caught up. */
  write(bytes: Buffer): boolean {
    // An empty chunk would end the body.
    if (bytes.length === 0 || this.isOver) return true
    if (!this.#hasBody) return true
    const before = this.#takeHead() + (this.#isChunked ? `${bytes.length.toString(16)}\r\n` : '')
    if (before === '') return this.#carrier.send(bytes)
    if (bytes.length <= maxCopiedBytes) return this.#carrier.send(framed(before, bytes, this.#isChunked ? '\r\n' : ''))
    const parts = [Buffer.from(before, 'latin1'), bytes]
    if (this.#isChunked) parts.push(lineEnd)
    return this.#carrier.sendAll(parts)
  }

  /** Called once, when all that was written has gone out; not at all if the client leaves before. */
  whenDrained(drained: () => void): void {
    this.#drained = drained
  }

  /** Sends the last bytes of the body, or none, and ends the answer. */
  end(bytes: Buffer = none): void {
    if (this.#isEnded || this.isOver) return
    const isLong = bytes.length > maxCopiedBytes
    if (isLong) this.write(bytes)
    const last = isLong || !this.#hasBody ? none : bytes
    const size = this.#isChunked && last.length > 0 ? `${last.length.toString(16)}\r\n` : ''
    const after = this.#isChunked ? (last.length > 0 ? `\r\n${lastChunk}` : lastChunk) : ''
    const before = this.#takeHead() + size
    this.#isEnded = true
    if (before !== '' || after !== '' || last.length > 0) this.#carrier.send(framed(before, last, after))
    this.#carrier.finish()
  }

  /** Closes the connection, whatever has gone out. */
  destroy(): void {
    if (this.#endsWithConnection) this.#carrier.reset()
    else this.#carrier.destroy()
  }

  // ── what the connection says ──

  onDrain(): void {
    const drained = this.#drained
    this.#drained = null
    drained?.()
  }

  onOver(): void {
    if (this.isOver) return
    this.isOver = true
    this.reader = null
    this.#drained = null
    this.#watcher?.onOver()
  }

  /** Whether the rest of the request's body is too much to be worth reading, or will hardly come. */
  #losesBody(): boolean {
    if (this.isReceived) return false
    const { contentLength, expectation } = this.head
    // A client without `100 Continue` may still send its body, or the next request: they cannot be distinguished.
    if (expectation !== null && !this.#isInvited) return true
    return contentLength === null || contentLength - this.receivedBytes > maxIgnoredBytes
  }

  #takeHead(): string {
    const head = this.#pendingHead
    this.#pendingHead = ''
    return head
  }

  #framing(status: number, length: number | null): string {
    if (status === 204 || status === 304) return ''
    if (length !== null) return `content-length: ${length}\r\n`
    if (!this.#hasBody) return ''
    this.#endsWithConnection = this.head.isHttp10
    this.#isChunked = !this.head.isHttp10
    if (this.#endsWithConnection) this.keepsAlive = false
    return this.#isChunked ? 'transfer-encoding: chunked\r\n' : ''
  }

  #persistence(): string {
    if (this.keepsAlive && this.#losesBody()) this.keepsAlive = false
    if (!this.keepsAlive) return 'connection: close\r\n'
    return `connection: keep-alive\r\nkeep-alive: timeout=${keepAliveSeconds}\r\n`
  }
}

/** One buffer of a text, one character for each byte, the bytes, and another text. */
function framed(before: string, bytes: Buffer, after: string): Buffer {
  const whole = Buffer.allocUnsafe(before.length + bytes.length + after.length)
  put(before, whole, 0)
  bytes.copy(whole, before.length)
  put(after, whole, before.length + bytes.length)
  return whole
}

/** Longer texts are written by Node: the call costs as much as so many characters. */
const shortText = 16

function put(text: string, into: Buffer, at: number): void {
  if (text.length > shortText) into.write(text, at, 'latin1')
  else for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i)
}

let dateText = ''
let dateSecond = 0

/** Now, as RFC 9110 § 5.6.7 writes it. */
function httpDate(): string {
  const second = Math.floor(Date.now() / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    dateText = new Date(second * 1000).toUTCString()
  }
  return dateText
}
