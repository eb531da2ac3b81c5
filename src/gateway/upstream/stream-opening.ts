import { findEventEnd, readEvent, type ServerSentEvent } from '../sse.ts'
import type { OpeningEvent, StreamProtocol } from '../stream-protocol.ts'

/** More than this is not held back: whatever it is, it is an answer. */
const maxHeldBytes = 256 * 1024

/** Reads a stream up to its first event with content: until then nothing of it may go to the client. */
export class StreamOpening {
  /** What upstream began with instead of content. */
  errorEvent: ServerSentEvent | null = null
  readonly #protocol: StreamProtocol
  #rest: Buffer = Buffer.alloc(0)
  #heldBytes = 0

  constructor(protocol: StreamProtocol) {
    this.#protocol = protocol
  }

  /** What is known of the stream after its next bytes. */
  push(chunk: Buffer): OpeningEvent {
    this.#heldBytes += chunk.length
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    let start = 0
    for (;;) {
      const end = findEventEnd(bytes, start)
      if (end < 0) break
      const event = readEvent(bytes.subarray(start, end))
      const meaning = this.#protocol.readOpening(event)
      if (meaning === 'error') this.errorEvent = event
      if (meaning !== 'nothing') return meaning
      start = end
    }
    this.#rest = bytes.subarray(start)
    return this.#heldBytes > maxHeldBytes ? 'content' : 'nothing'
  }
  /** Nothing more comes: the last event may have been an error that only lacks its empty line. */
  end(): void {
    const event = readEvent(this.#rest)
    if (this.#protocol.readOpening(event) === 'error') this.errorEvent = event
  }
}
