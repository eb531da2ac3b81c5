import { type AnswerHead, readAnswerHead } from './answer-head.ts'
import { areHeaderLines } from './header-lines.ts'

/** Told of an answer as it is read. Bodies come as parts of the bytes that were given, not copied. */
export interface AnswerEvents {
  onHead(head: AnswerHead): void
  onBody(chunk: Buffer): void
}

/** `whole`: the answer has ended. `malformed`: it is none, and what follows cannot be read. */
export type AnswerProgress = 'more' | 'whole' | 'malformed'

type State =
  | 'head'
  | 'lengthBody'
  | 'openBody'
  | 'chunkSize'
  | 'chunkExtension'
  | 'chunkSizeEnd'
  | 'chunkData'
  | 'chunkDataCr'
  | 'chunkDataLf'
  | 'trailers'
  | 'whole'
  | 'malformed'

/** Of a head, and of the trailers of a body. */
const maxHeadBytes = 64 * 1024
const maxExtensionBytes = 4 * 1024
/** Of a chunk's size: up to 256 TiB, which no number loses a bit of. */
const maxSizeDigits = 12

const cr = 0x0d
const lf = 0x0a
const blankLine = Buffer.from('\r\n\r\n')
const lineBreak = Buffer.from('\r\n')

/**
 * Reads answers to requests that are not HEAD, one after the other (RFC 9112), whatever the pieces in which they come. What is
 * not to the letter is refused: read leniently, the end of one answer could be taken for the beginning of the next.
 */
export class AnswerParser {
  /** The head of the answer; null: it has not come. */
  head: AnswerHead | null = null
  /** Whether more came than the answer. */
  hasSurplus = false
  readonly #events: AnswerEvents
  #state: State = 'head'
  /** The part of a head, or of trailers, whose end has not come. */
  #rest: Buffer | null = null
  #isPersistent = false
  /** Bytes of the body, or of the chunk, that are still to come. */
  #left = 0
  #digits = 0
  #extensionBytes = 0

  constructor(events: AnswerEvents) {
    this.#events = events
  }

  /** Whether another answer may follow this one on its connection. */
  get isPersistent(): boolean {
    return this.#isPersistent && !this.hasSurplus
  }

  /** Prepares for the next answer. */
  begin(): void {
    this.head = null
    this.hasSurplus = false
    this.#state = 'head'
    this.#rest = null
  }

  push(bytes: Buffer): AnswerProgress {
    let at = 0
    while (at < bytes.length && this.#state !== 'whole') {
      at = this.#step(bytes, at)
      if (this.#state === 'malformed') return 'malformed'
    }
    if (at < bytes.length) this.hasSurplus = true
    return this.#state === 'whole' ? 'whole' : 'more'
  }

  /** The connection has ended in good order: whether the answer is whole. */
  endOfConnection(): boolean {
    if (this.#state === 'openBody') this.#state = 'whole'
    return this.#state === 'whole'
  }

  /** Reads on from `at`, and returns where it stopped. */
  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes, at)
      case 'lengthBody':
        return this.#readPart(bytes, at, 'whole')
      case 'openBody':
        this.#events.onBody(at === 0 ? bytes : bytes.subarray(at))
        return bytes.length
      case 'chunkSize':
        return this.#readSize(bytes, at)
      case 'chunkExtension':
        return this.#skipExtension(bytes, at)
      case 'chunkSizeEnd':
        return this.#expect(lf, bytes, at, this.#left > 0 ? 'chunkData' : 'trailers')
      case 'chunkData':
        return this.#readPart(bytes, at, 'chunkDataCr')
      case 'chunkDataCr':
        return this.#expect(cr, bytes, at, 'chunkDataLf')
      case 'chunkDataLf':
        this.#digits = 0
        return this.#expect(lf, bytes, at, 'chunkSize')
      case 'trailers':
        return this.#readTrailers(bytes, at)
      case 'whole':
      case 'malformed':
        return at
    }
  }

  #refuse(at: number): number {
    this.#state = 'malformed'
    return at
  }

  #expect(byte: number, bytes: Buffer, at: number, next: State): number {
    if (bytes[at] !== byte) return this.#refuse(at)
    this.#state = next
    return at + 1
  }

  #readHead(bytes: Buffer, at: number): number {
    const taken = this.#takeLines(bytes, at)
    if (taken === null) return bytes.length
    const { lines, end } = taken
    const head = readAnswerHead(lines)
    if (!head) return this.#refuse(at)
    if (head.status < 200) {
      // It is informational, and the answer is yet to come; but nobody asked for another protocol.
      if (head.status === 101) this.#state = 'malformed'
      return end
    }
    this.#state = this.#bodyOf(head, lines.charCodeAt(7) === 0x31)
    if (this.#state === 'malformed') return end
    this.head = head
    this.#events.onHead(head)
    return end
  }

  /** How the body is told from what follows it (RFC 9112 § 6.3). */
  #bodyOf(head: AnswerHead, isHttp11: boolean): State {
    const { status, contentLength, transferEncoding } = head
    this.#isPersistent = isHttp11 ? !lists(head.connection, 'close') : lists(head.connection, 'keep-alive')
    this.#left = contentLength ?? 0
    this.#digits = 0
    if (transferEncoding !== '') {
      const isChunked = isHttp11 && contentLength === null && transferEncoding.toLowerCase() === 'chunked'
      if (!isChunked) return 'malformed'
    }
    if (status === 204 || status === 304) return 'whole'
    if (transferEncoding !== '') {
      this.#left = 0
      return 'chunkSize'
    }
    if (contentLength !== null) return contentLength === 0 ? 'whole' : 'lengthBody'
    this.#isPersistent = false
    return 'openBody'
  }

  #readPart(bytes: Buffer, at: number, next: State): number {
    const end = Math.min(at + this.#left, bytes.length)
    this.#left -= end - at
    // Before the event: whoever is told may look at the parser.
    if (this.#left === 0) this.#state = next
    this.#events.onBody(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end))
    return end
  }

  #readSize(bytes: Buffer, from: number): number {
    if (this.#digits === 0) this.#left = 0
    let at = from
    for (; at < bytes.length; at++) {
      const digit = hexValue(bytes[at]!)
      if (digit < 0) return this.#endSize(bytes, at)
      if (++this.#digits > maxSizeDigits) return this.#refuse(at)
      this.#left = this.#left * 16 + digit
    }
    return at
  }

  #endSize(bytes: Buffer, at: number): number {
    if (this.#digits === 0) return this.#refuse(at)
    const byte = bytes[at]!
    if (byte === cr) {
      this.#state = 'chunkSizeEnd'
      return at + 1
    }
    // White space stands before an extension, and behind sizes that are padded.
    if (byte !== 0x3b && byte !== 0x20 && byte !== 0x09) return this.#refuse(at)
    this.#extensionBytes = 0
    this.#state = 'chunkExtension'
    return at
  }

  #skipExtension(bytes: Buffer, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]!
      if (byte === cr) {
        this.#state = 'chunkSizeEnd'
        return at + 1
      }
      const isControl = (byte < 0x20 && byte !== 0x09) || byte === 0x7f
      if (isControl || ++this.#extensionBytes > maxExtensionBytes) return this.#refuse(at)
    }
    return bytes.length
  }

  /** They are dropped: the client gets the head before they come. */
  #readTrailers(bytes: Buffer, at: number): number {
    if (this.#rest === null && bytes[at] === cr && bytes[at + 1] === lf) {
      this.#state = 'whole'
      return at + 2
    }
    // Behind the line of the last chunk, no trailer and the end of trailers are the same empty line.
    this.#rest ??= lineBreak
    const taken = this.#takeLines(bytes, at)
    if (taken === null) return bytes.length
    if (!areHeaderLines(taken.lines.slice(2))) return this.#refuse(at)
    this.#state = 'whole'
    return taken.end
  }

  /**
   * All lines up to an empty one, without it, and where it ends in `bytes`; null: it has not come, and what has is kept, or
   * refused if it can be no head.
   */
  #takeLines(bytes: Buffer, at: number): { lines: string; end: number } | null {
    const rest = this.#rest
    const all = rest ? Buffer.concat([rest, at === 0 ? bytes : bytes.subarray(at)]) : bytes
    const start = rest ? 0 : at
    const blankAt = all.indexOf(blankLine, rest ? Math.max(0, rest.length - 3) : at)
    if ((blankAt < 0 ? all.length : blankAt) - start > maxHeadBytes) {
      this.#state = 'malformed'
      return null
    }
    if (blankAt < 0) {
      this.#keep(all.subarray(start))
      return null
    }
    this.#rest = null
    const end = blankAt + blankLine.length - (rest ? rest.length - at : 0)
    return { lines: all.toString('latin1', start, blankAt + lineBreak.length), end }
  }

  /** What cannot become an answer is refused at once: whoever sent it may wait for more, and never end it. */
  #keep(rest: Buffer): void {
    this.#rest = rest
    const beginning = rest.toString('latin1', 0, 7)
    if (this.#state === 'head' && !'HTTP/1.'.startsWith(beginning)) this.#state = 'malformed'
  }
}

/** Whether a list of tokens, in whatever case, has this one. */
function lists(list: string, token: string): boolean {
  if (list === '' || list === token) return list !== ''
  return list.split(',').some((one) => one.trim().toLowerCase() === token)
}

function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
