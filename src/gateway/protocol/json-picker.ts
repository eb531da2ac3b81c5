import { isObject, type Json } from './event-json.ts'
import { JsonScan, type JsonScanWatcher, type ShapeOfObject } from './json-scan.ts'

/** Most characters of a text that are kept: only names and numbers are needed. */
const maxKeptBytes = 64 * 1024
const maxElements = 1024

/** Picks some members out of a JSON text of any size, in bounded memory: an object with nothing in it but them. */
export class JsonPicker implements JsonScanWatcher {
  readonly #scan: JsonScan
  readonly #root: Record<string, unknown> = {}
  readonly #open: (Record<string, unknown> | unknown[])[] = []
  #piece: Buffer | null = null
  /** Where the value begins in the piece that is read. */
  #start = 0
  /** Of the value that is read, what earlier pieces had. */
  #parts: Buffer[] = []
  #name: string | null = null
  #keptBytes = 0

  constructor(shape: ShapeOfObject) {
    this.#scan = new JsonScan(shape, this)
  }

  push(piece: Buffer): void {
    if (this.#scan.isOver) return
    this.#piece = piece
    this.#start = 0
    this.#scan.push(piece)
    if (this.#name !== null) this.#keep(piece.length)
    this.#piece = null
  }

  /** What was found; undefined: the text was no JSON object, or it did not come to its end. */
  end(): Json | undefined {
    return this.#scan.isWhole ? this.#root : undefined
  }

  onOpen(name: string | undefined, isList: boolean): void {
    const parent = this.#open.at(-1)
    const value = parent === undefined ? this.#root : isList ? [] : {}
    this.#open.push(value)
    if (Array.isArray(parent)) {
      if (parent.length < maxElements) parent.push(value)
    } else if (parent) parent[name!] = value
  }

  onClose(): void {
    this.#open.pop()
  }

  onValue(name: string, at: number): void {
    this.#name = name
    this.#start = at
    this.#parts = []
  }

  onValueEnd(at: number): void {
    this.#keep(at)
    const parent = this.#open.at(-1)
    const value = this.#keptBytes > maxKeptBytes ? undefined : parse(Buffer.concat(this.#parts).toString())
    if (isObject(parent) && value !== undefined) parent[this.#name!] = value
    this.#name = null
    this.#parts = []
  }

  #keep(end: number): void {
    this.#keptBytes += end - this.#start
    // A copy: a part of it would keep the whole piece in memory.
    if (this.#keptBytes <= maxKeptBytes) this.#parts.push(Buffer.from(this.#piece!.subarray(this.#start, end)))
    this.#start = 0
  }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
