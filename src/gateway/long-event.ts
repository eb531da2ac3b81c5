import { JsonPicker } from './protocol/json-picker.ts'
import type { ShapeOfObject } from './protocol/json-scan.ts'
import { readEvent, ServerSentEvent } from './sse.ts'

const lf = 0x0a
const cr = 0x0d
/** An event's name has to stand in so many bytes. */
const namedBytes = 1024
const dataName = Buffer.from('data:')

/** An event that is too long to be kept: what has to be known of it is picked out while it passes. */
export class LongEvent {
  readonly #picker: JsonPicker
  #type: string | null = null
  /** The beginning of a line, as long as it is not known whether it is one with data. */
  #lineStart: Buffer | null = Buffer.alloc(0)
  #isData = false

  constructor(shape: ShapeOfObject) {
    this.#picker = new JsonPicker(shape)
  }

  /** Its next bytes, which may be cut anywhere. */
  push(piece: Buffer): void {
    this.#type ??= readEvent(piece.subarray(0, namedBytes)).type
    for (let at = 0; at < piece.length;) at = this.#lineStart ? this.#beginLine(piece, at) : this.#passLine(piece, at)
  }

  /** Whether nothing more has to come of its JSON. */
  get isWhole(): boolean {
    return this.#picker.end() !== undefined
  }

  /** The event, of which all has come. */
  end(): ServerSentEvent {
    return ServerSentEvent.picked(this.#type ?? '', this.#picker.end())
  }

  #beginLine(piece: Buffer, at: number): number {
    const missing = dataName.length - this.#lineStart!.length
    const part = piece.subarray(at, at + missing)
    const end = indexOfLineEnd(part)
    if (end >= 0) {
      this.#lineStart = Buffer.alloc(0)
      return at + end + 1
    }
    this.#lineStart = Buffer.concat([this.#lineStart!, part])
    if (this.#lineStart.length < dataName.length) return at + part.length
    this.#isData = this.#lineStart.equals(dataName)
    this.#lineStart = null
    return at + part.length
  }

  #passLine(piece: Buffer, at: number): number {
    const rest = piece.subarray(at)
    const end = indexOfLineEnd(rest)
    if (this.#isData) this.#picker.push(end < 0 ? rest : rest.subarray(0, end))
    if (end < 0) return piece.length
    this.#lineStart = Buffer.alloc(0)
    return at + end + 1
  }
}

function indexOfLineEnd(bytes: Buffer): number {
  const atLf = bytes.indexOf(lf)
  const before = atLf < 0 ? bytes : bytes.subarray(0, atLf)
  const atCr = before.indexOf(cr)
  return atCr < 0 ? atLf : atCr
}
