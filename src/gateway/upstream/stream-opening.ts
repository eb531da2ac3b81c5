import { findEventEnd, readEvent } from '../sse.ts'
import { type OpeningEvent, statusOfErrorEvent, type StreamProtocol } from '../stream-protocol.ts'

/** More than this is not held back: whatever it is, it is an answer. */
const maxHeldBytes = 256 * 1024

/** Reads a stream up to its first event with content: until then nothing of it may go to the client. */
export class StreamOpening {
  /** The status that the error event stands for; 0: there was none. */
  errorStatus = 0
  readonly #protocol: StreamProtocol
  #rest: Buffer | null = null
  #heldBytes = 0

  constructor(protocol: StreamProtocol) {
    this.#protocol = protocol
  }

  /** What is known of the stream after its next bytes. */
  push(chunk: Buffer): OpeningEvent {
    this.#heldBytes += chunk.length
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk
    let start = 0
    for (;;) {
      const end = findEventEnd(bytes, start)
      if (end < 0) break
      const event = readEvent(bytes.subarray(start, end))
      const meaning = this.#protocol.readOpening(event)
      if (meaning === 'error') this.errorStatus = statusOfErrorEvent(event)
      if (meaning !== 'nothing') return meaning
      start = end
    }
    this.#rest = bytes.subarray(start)
    return this.#heldBytes > maxHeldBytes ? 'content' : 'nothing'
  }
}
