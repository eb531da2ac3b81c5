import { EventLines, type LineWatcher } from './event-lines.ts'
import { JsonPicker } from '../protocol/json-picker.ts'
import type { ShapeOfObject } from '../protocol/json-scan.ts'
import { readEvent, ServerSentEvent } from '../protocol/sse.ts'

/** An event's name has to stand in so many bytes. */
const namedBytes = 1024

/** An event that is too long to be kept: what has to be known of it is picked out while it passes. */
export class LongEvent implements LineWatcher {
  readonly #picker: JsonPicker
  readonly #lines = new EventLines(this)
  #type: string | null = null

  constructor(shape: ShapeOfObject) {
    this.#picker = new JsonPicker(shape)
  }

  /** Its next bytes, which may be cut anywhere. */
  push(piece: Buffer): void {
    this.#type ??= readEvent(piece.subarray(0, namedBytes)).type
    this.#lines.push(piece)
  }

  onData(bytes: Buffer): void {
    this.#picker.push(bytes)
  }

  onOther(): void {
    // Its name was read from its beginning.
  }

  onEventEnd(): void {
    // Nothing but its own bytes is pushed.
  }

  /** Whether nothing more has to come of its JSON. */
  get isWhole(): boolean {
    return this.#picker.end() !== undefined
  }

  /** The event, of which all has come. */
  end(): ServerSentEvent {
    return ServerSentEvent.picked(this.#type ?? '', this.#picker.end())
  }
}
