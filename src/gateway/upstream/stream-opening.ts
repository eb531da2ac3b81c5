import { PendingBytes } from '../loop/pending-bytes.ts'
import { findEventEnd, placeToGoOn, readEvent, type ServerSentEvent } from '../protocol/sse.ts'
import type { OpeningEvent, StreamProtocol } from '../protocol/stream-protocol.ts'

/** More than this is not held back: whatever it is, it is an answer. */
const maxHeldBytes = 256 * 1024

/** Reads a stream up to its first event with content: until then nothing of it may go to the client. */
export class StreamOpening {
  /** What upstream began with instead of content. */
  errorEvent: ServerSentEvent | null = null
  readonly #protocol: StreamProtocol
  /** The event that has not ended. */
  readonly #rest = new PendingBytes()
  /** Up to here it was looked through: however small the pieces are, no byte is looked at again for each of them. */
  #searched = 0
  #heldBytes = 0

  constructor(protocol: StreamProtocol) {
    this.#protocol = protocol
  }

  /** What is known of the stream after its next bytes. */
  push(chunk: Buffer): OpeningEvent {
    this.#heldBytes += chunk.length
    this.#rest.append(chunk)
    for (let event = this.#nextEvent(); event; event = this.#nextEvent()) {
      const meaning = this.#protocol.readOpening(event)
      if (meaning === 'error') this.errorEvent = event
      if (meaning !== 'nothing') return meaning
    }
    return this.#heldBytes > maxHeldBytes ? 'content' : 'nothing'
  }

  #nextEvent(): ServerSentEvent | null {
    const { bytes } = this.#rest
    const end = findEventEnd(bytes, 0, this.#searched)
    this.#searched = end < 0 ? placeToGoOn(bytes) : 0
    if (end < 0) return null
    this.#rest.take(end)
    return readEvent(bytes.subarray(0, end))
  }

  /** Nothing more comes: the last event may only lack its empty line, and be an error, or all of an answer with its end. */
  end(): OpeningEvent {
    const event = readEvent(this.#rest.bytes)
    const meaning = this.#protocol.readOpening(event)
    if (meaning === 'error') this.errorEvent = event
    return meaning === 'content' && this.#tellsEnd(event) ? 'content' : 'over'
  }

  #tellsEnd(event: ServerSentEvent): boolean {
    if (!event.json) return false
    const follower = this.#protocol.follow()
    return follower.read(event) !== null || follower.hasToldEnd
  }
}
