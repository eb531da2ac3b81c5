import { type AnswerHead, readAnswerHead } from './answer-head.ts'
import { ChunkedDecoder } from '../chunked-coding.ts'
import { PendingBytes } from '../../loop/pending-bytes.ts'

/** Told of an answer as it is read. Bodies come as parts of the bytes that were given, not copied. */
export interface AnswerEvents {
  onHead(head: AnswerHead): void
  onBody(chunk: Buffer): void
}

/** `whole`: the answer has ended. `malformed`: it is none, and what follows cannot be read. */
export type AnswerProgress = 'more' | 'whole' | 'malformed'

type State = 'head' | 'lengthBody' | 'openBody' | 'chunkedBody' | 'whole' | 'malformed'

const maxHeadBytes = 64 * 1024
/** Most bytes of informational answers before one answer: a server could send them without end. */
const maxInterimBytes = 64 * 1024

const blankLine = Buffer.from('\r\n\r\n')
const lineBreakLength = 2

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
  /** The part of a head whose end has not come. */
  readonly #rest = new PendingBytes()
  #interimBytes = 0
  #isPersistent = false
  /** Bytes of the body that are still to come. */
  #left = 0
  #chunks: ChunkedDecoder | null = null

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
    this.#rest.clear()
    this.#interimBytes = 0
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
        return this.#readPart(bytes, at)
      case 'openBody':
        this.#events.onBody(at === 0 ? bytes : bytes.subarray(at))
        return bytes.length
      case 'chunkedBody':
        return this.#readChunks(this.#chunks!, bytes, at)
      case 'whole':
      case 'malformed':
        return at
    }
  }

  #refuse(at: number): number {
    this.#state = 'malformed'
    return at
  }

  #readHead(bytes: Buffer, at: number): number {
    const taken = this.#takeLines(bytes, at)
    if (taken === null) return bytes.length
    const { lines, end } = taken
    const head = readAnswerHead(lines)
    if (!head) return this.#refuse(at)
    if (head.status < 200) {
      // An informational answer precedes the real one. 101 is refused, because no other protocol was requested.
      this.#interimBytes += lines.length
      if (head.status === 101 || this.#interimBytes > maxInterimBytes) this.#state = 'malformed'
      return end
    }
    this.#state = this.#bodyOf(head, lines.charCodeAt(7) === 0x31)
    if (this.#state === 'malformed') return end
    this.head = head
    this.#events.onHead(head)
    return end
  }

  /** How the end of the body is found (RFC 9112 § 6.3). */
  #bodyOf(head: AnswerHead, isHttp11: boolean): State {
    const { status, contentLength, transferEncoding } = head
    this.#isPersistent = isHttp11 ? !lists(head.connection, 'close') : lists(head.connection, 'keep-alive')
    this.#left = contentLength ?? 0
    if (transferEncoding !== null) {
      const isChunked = isHttp11 && contentLength === null && transferEncoding.toLowerCase() === 'chunked'
      if (!isChunked) return 'malformed'
    }
    if (status === 204 || status === 304) return 'whole'
    if (transferEncoding !== null) {
      this.#chunks = new ChunkedDecoder()
      return 'chunkedBody'
    }
    if (contentLength !== null) return contentLength === 0 ? 'whole' : 'lengthBody'
    this.#isPersistent = false
    return 'openBody'
  }

  #readPart(bytes: Buffer, at: number): number {
    const end = Math.min(at + this.#left, bytes.length)
    this.#left -= end - at
    // Set before the event, because its handler may read the parser's state.
    if (this.#left === 0) this.#state = 'whole'
    this.#events.onBody(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end))
    return end
  }

  #readChunks(chunks: ChunkedDecoder, bytes: Buffer, from: number): number {
    const at = chunks.push(bytes, from, this.#events)
    if (chunks.isBroken) return this.#refuse(at)
    if (chunks.isOver) this.#state = 'whole'
    return at
  }

  /**
   * All lines up to an empty one, without it, and where it ends in `bytes`; null: it has not come, and what has is kept, or
   * refused if it can be no head.
   */
  #takeLines(bytes: Buffer, at: number): { lines: string; end: number } | null {
    const before = this.#rest.bytes.length
    if (before > 0) this.#rest.append(at === 0 ? bytes : bytes.subarray(at))
    const all = before > 0 ? this.#rest.bytes : bytes
    const start = before > 0 ? 0 : at
    const blankAt = all.indexOf(blankLine, before > 0 ? Math.max(0, before - 3) : at)
    if ((blankAt < 0 ? all.length : blankAt) - start > maxHeadBytes) {
      this.#state = 'malformed'
      return null
    }
    if (blankAt < 0) {
      if (before === 0) this.#rest.append(all.subarray(start))
      this.#refuseUnlikeAnswer()
      return null
    }
    this.#rest.clear()
    const end = blankAt + blankLine.length - (before > 0 ? before - at : 0)
    return { lines: all.toString('latin1', start, blankAt + lineBreakLength), end }
  }

  /** Bytes that cannot begin an answer are refused at once: the server may never send more. */
  #refuseUnlikeAnswer(): void {
    const beginning = this.#rest.bytes.toString('latin1', 0, 7)
    if (this.#state === 'head' && !'HTTP/1.'.startsWith(beginning)) this.#state = 'malformed'
  }
}

/** Whether a list of tokens, in whatever case, has this one. */
function lists(list: string, token: string): boolean {
  if (list === '' || list === token) return list !== ''
  return list.split(',').some((one) => one.trim().toLowerCase() === token)
}
