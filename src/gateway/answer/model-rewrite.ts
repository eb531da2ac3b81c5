import { EventLines, type LineWatcher } from './event-lines.ts'
import { JsonScan, type JsonScanWatcher, type Shape, shapeOf } from '../protocol/json-scan.ts'

/** Where an answer says its model: at the top, and in events that carry all of a response or of a message. */
const inObject: Shape = shapeOf({ model: 'value' })
const places = shapeOf({ model: 'value', response: inObject, message: inObject })

const quote = 0x22
/** A longer name of a model passes as it is. */
const maxHeldBytes = 4 * 1024

/** Rewrites the bytes of an answer as they go out. */
export interface Rewrite {
  push(bytes: Buffer): Buffer[]
  end(): Buffer[]
}

/** Replaces the model's name in the raw bytes of an answer, wherever the chunks are cut. Nothing else changes. */
export class ModelRewrite implements Rewrite, JsonScanWatcher {
  readonly #scan = new JsonScan(places, this)
  /** As JSON. */
  readonly #model: Buffer
  #piece: Buffer | null = null
  #out: Buffer[] = []
  /** Up to here the piece went on, or is held. */
  #done = 0
  /** The beginning of the value, from earlier pieces; null: no value is being read. */
  #held: Buffer[] | null = null
  #heldBytes = 0

  constructor(model: Buffer) {
    this.#model = model
  }

  /** What goes on of the next bytes, and of those that were held. */
  push(piece: Buffer): Buffer[] {
    this.#out = []
    this.#piece = piece
    this.#done = 0
    if (!this.#scan.isOver) this.#scan.push(piece)
    const rest = piece.subarray(this.#done)
    if (this.#held === null || this.#scan.isOver) this.#letGo(rest)
    else this.#hold(rest)
    return this.#out
  }

  /** Nothing more comes: what was held goes on. */
  end(): Buffer[] {
    this.#out = []
    this.#letGo()
    return this.#out
  }

  onOpen(): void {
    // Only values are of interest.
  }

  onClose(): void {
    // Only values are of interest.
  }

  onValue(_name: string, at: number): void {
    this.#letGo(this.#piece!.subarray(this.#done, at))
    this.#done = at
    this.#held = []
    this.#heldBytes = 0
  }

  onValueEnd(at: number): void {
    const value = this.#piece!.subarray(this.#done, at)
    this.#done = at
    // It was too long to be held.
    if (this.#held === null) return void this.#out.push(value)
    const isString = (this.#held[0] ?? value)[0] === quote
    if (isString && this.#heldBytes + value.length <= maxHeldBytes) this.#out.push(this.#model)
    else this.#out.push(...this.#held, value)
    this.#held = null
  }

  #hold(bytes: Buffer): void {
    this.#held!.push(bytes)
    this.#heldBytes += bytes.length
    if (this.#heldBytes > maxHeldBytes) this.#letGo()
  }

  #letGo(bytes?: Buffer): void {
    if (this.#held) this.#out.push(...this.#held)
    this.#held = null
    if (bytes && bytes.length > 0) this.#out.push(bytes)
  }
}

/** The same in each event of a stream. */
export class StreamModelRewrite implements Rewrite, LineWatcher {
  readonly #model: Buffer
  readonly #lines = new EventLines(this)
  #event: ModelRewrite
  #out: Buffer[] = []

  constructor(model: Buffer) {
    this.#model = model
    this.#event = new ModelRewrite(model)
  }

  push(bytes: Buffer): Buffer[] {
    this.#out = []
    this.#lines.push(bytes)
    return this.#out
  }

  end(): Buffer[] {
    return this.#event.end()
  }

  onData(bytes: Buffer): void {
    this.#out.push(...this.#event.push(bytes))
  }

  onOther(bytes: Buffer): void {
    // A value goes on in no other line: whatever it is, its place is before this one.
    this.#out.push(...this.#event.end(), bytes)
  }

  onEventEnd(): void {
    this.#event = new ModelRewrite(this.#model)
  }
}
