const headEnd = Buffer.from('\r\n\r\n')
const lastChunk = '\r\n0\r\n\r\n'
const tailLength = 32

/**
 * Follows the HTTP/1.1 messages of one direction of a connection, one at a time (no pipelining), at the least possible cost.
 *
 * Chunked bodies are recognised by their last bytes: the bodies of this bench never look like that in the middle.
 */
export class MessageScanner {
  /** The status of the message that is being read or was read last; 0 for a request. */
  status = 0
  /** The head of that message, as it came. */
  head = ''
  #partialHead: Buffer | undefined
  #isInBody = false
  #isChunked = false
  #remaining = 0
  /** The last bytes of a chunked body, as it came, framing included. */
  tail = ''

  /** Whether this chunk ended a message. */
  push(chunk: Buffer): boolean {
    return this.#isInBody ? this.#pushBody(chunk) : this.#pushHead(chunk)
  }

  #pushHead(chunk: Buffer): boolean {
    const bytes = this.#partialHead ? Buffer.concat([this.#partialHead, chunk]) : chunk
    const end = bytes.indexOf(headEnd)
    this.#partialHead = end === -1 ? bytes : undefined
    if (end === -1) return false
    this.head = bytes.toString('latin1', 0, end)
    const lower = this.head.toLowerCase()
    this.status = lower.startsWith('http/1.1 ') ? Number(lower.slice(9, 12)) : 0
    const at = lower.indexOf('content-length:')
    this.#remaining = at === -1 ? 0 : Number.parseInt(lower.slice(at + 15), 10)
    this.#isChunked = at === -1 && lower.includes('transfer-encoding: chunked')
    this.#isInBody = this.#isChunked || this.#remaining > 0
    this.tail = ''
    return this.#isInBody ? this.#pushBody(bytes.subarray(end + 2), 2) : true
  }

  // `overlap`: the end of the head, kept before the body so that an empty chunked body is recognised too.
  #pushBody(bytes: Buffer, overlap = 0): boolean {
    if (this.#isChunked) {
      this.tail = (this.tail + bytes.toString('latin1', Math.max(0, bytes.length - tailLength))).slice(-tailLength)
      this.#isInBody = !this.tail.endsWith(lastChunk)
    } else {
      this.#remaining -= bytes.length - overlap
      this.#isInBody = this.#remaining > 0
    }
    return !this.#isInBody
  }
}
