/**
 * Finds some members of a JSON text while it passes in pieces, however it is cut, and without keeping it.
 *
 * Strings are passed over by looking for their end, lists of numbers by looking for the next bracket: megabytes of base64 or of
 * embeddings cost little. A text that is no JSON object is given up at its first byte.
 */

/** Which members are wanted: a name leads to a value, to names in an object, or to those in each object of a list. */
export type Shape = 'value' | ShapeOfObject | ShapeOfList
export interface ShapeOfList {
  readonly each: ShapeOfObject
}
export type ShapeOfObject = ReadonlyMap<string, Shape>

export function shapeOf(names: Readonly<Record<string, Shape>>): ShapeOfObject {
  return new Map(Object.entries(names))
}

/** Places are those in the piece that is being read; a value that began in an earlier one has begun there. */
export interface JsonScanWatcher {
  /** A container in which something may be found; `name` is undefined for the text itself and for elements of a list. */
  onOpen(name: string | undefined, isList: boolean): void
  onClose(): void
  /** `at`: the first byte of a value that is wanted. */
  onValue(name: string, at: number): void
  /** `at`: behind its last byte. */
  onValueEnd(at: number): void
}

interface Level {
  readonly isList: boolean
  readonly shape: ShapeOfObject
}

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
const blank = 0x20

/** Of a longer name, or of a deeper place, nothing is wanted. */
const maxNameBytes = 64
/** A shorter list of numbers is read byte by byte. */
const shortestList = 32

export class JsonScan {
  readonly #shape: ShapeOfObject
  readonly #watcher: JsonScanWatcher
  /** From the text's own object to the innermost container in which something may be found. */
  readonly #levels: Level[] = []
  /** Containers inside it of which nothing is wanted but perhaps all. */
  #skipped = 0
  #state: 'before' | 'inside' | 'behind' | 'unreadable' = 'before'
  /** In a string: of what. */
  #string: 'name' | 'other' | null = null
  #isEscaped = false
  #name = ''
  /** Where the name began in this piece. */
  #nameStart = 0
  #expectsName = false
  /** What the value is whose name was read last. */
  #wanted: Shape | undefined
  #isInValue = false
  #isInScalar = false
  /** In this piece, as far as it is known. Looked for once, or many brackets in a row would cost their square. */
  #nextQuote = -1
  #nextEnd = -1

  constructor(shape: ShapeOfObject, watcher: JsonScanWatcher) {
    this.#shape = shape
    this.#watcher = watcher
  }

  /** Whether the text was a JSON object up to its end. */
  get isWhole(): boolean {
    return this.#state === 'behind'
  }

  /** Whether nothing can be found any more. */
  get isOver(): boolean {
    return this.#state === 'behind' || this.#state === 'unreadable'
  }

  push(piece: Buffer): void {
    this.#nameStart = 0
    this.#nextQuote = -1
    this.#nextEnd = -1
    let at = this.#state === 'before' ? this.#begin(piece) : 0
    while (at < piece.length && this.#state === 'inside') {
      if (this.#string) at = this.#passString(piece, at)
      else at = this.#skipped > 0 ? this.#skip(piece, at) : this.#read(piece, at)
    }
    // Anything but white space behind its end: it was no JSON.
    for (; at < piece.length && this.#state === 'behind'; at++) if (piece[at]! > blank) this.#state = 'unreadable'
  }

  #begin(piece: Buffer): number {
    let at = 0
    while (at < piece.length && piece[at]! <= blank) at++
    if (at === piece.length) return at
    if (piece[at] !== openBrace) this.#state = 'unreadable'
    else {
      this.#state = 'inside'
      this.#open(this.#shape, undefined, false)
    }
    return at + 1
  }

  /** A byte between the values of a container in which something is wanted. */
  #read(piece: Buffer, at: number): number {
    const byte = piece[at]!
    if (this.#isInScalar && isScalarEnd(byte)) this.#endScalar(at)
    switch (byte) {
      case quote:
        return this.#beginString(at)
      case openBrace:
      case openBracket:
        this.#openValue(byte === openBracket, at)
        break
      case closeBrace:
      case closeBracket:
        this.#close(byte === closeBracket)
        break
      case comma:
        this.#expectsName = !this.#levels.at(-1)!.isList
        break
      default:
        if (byte > blank && byte !== colon && !this.#isInScalar) this.#beginScalar(at)
    }
    return at + 1
  }

  #beginString(at: number): number {
    if (this.#expectsName) {
      this.#string = 'name'
      this.#name = ''
      this.#nameStart = at + 1
    } else {
      this.#string = 'other'
      this.#beginValue(at)
    }
    return at + 1
  }

  #openValue(isList: boolean, at: number): void {
    const level = this.#levels.at(-1)!
    const shape = level.isList ? (isList ? undefined : level.shape) : shapeInside(this.#wanted, isList)
    if (shape) return this.#open(shape, level.isList ? undefined : this.#name, isList)
    this.#beginValue(at)
    this.#skipped = 1
  }

  #open(shape: ShapeOfObject, name: string | undefined, isList: boolean): void {
    this.#levels.push({ shape, isList })
    this.#expectsName = !isList
    this.#wanted = undefined
    this.#watcher.onOpen(name, isList)
  }

  #close(isList: boolean): void {
    const level = this.#levels.pop()!
    if (level.isList !== isList) {
      this.#state = 'unreadable'
      return
    }
    this.#watcher.onClose()
    this.#wanted = undefined
    this.#expectsName = false
    if (this.#levels.length === 0) this.#state = 'behind'
  }

  #beginScalar(at: number): void {
    this.#isInScalar = true
    this.#beginValue(at)
  }

  #endScalar(at: number): void {
    this.#isInScalar = false
    this.#endValue(at)
  }

  #beginValue(at: number): void {
    if (this.#wanted !== 'value' || this.#levels.at(-1)!.isList) return
    this.#isInValue = true
    this.#watcher.onValue(this.#name, at)
  }

  #endValue(at: number): void {
    if (this.#isInValue) this.#watcher.onValueEnd(at)
    this.#isInValue = false
    this.#wanted = undefined
  }

  /** Inside a container of which nothing is wanted, or all: only where it ends is of interest. */
  #skip(piece: Buffer, from: number): number {
    for (let at = from; at < piece.length; at++) {
      const byte = piece[at]!
      if (byte === quote) {
        this.#string = 'other'
        return at + 1
      }
      if (byte === openBrace) this.#skipped++
      else if (byte === openBracket) {
        this.#skipped++
        at = this.#endOfNumbers(piece, at)
      } else if ((byte === closeBrace || byte === closeBracket) && --this.#skipped === 0) {
        this.#endValue(at + 1)
        return at + 1
      }
    }
    return piece.length
  }

  /** Before the bracket that ends a list of numbers; `at` if there is anything else in it. */
  #endOfNumbers(piece: Buffer, at: number): number {
    if (this.#nextEnd <= at) this.#nextEnd = next(piece, closeBracket, at)
    const end = this.#nextEnd
    if (end === piece.length || end < at + shortestList) return at
    if (this.#nextQuote <= at) this.#nextQuote = next(piece, quote, at)
    if (this.#nextQuote < end) return at
    const inner = piece.subarray(at + 1, end)
    return inner.includes(openBracket) || inner.includes(openBrace) ? at : end - 1
  }

  #passString(piece: Buffer, from: number): number {
    const end = this.#endOfString(piece, from)
    if (this.#string === 'name') this.#readName(piece, end < 0 ? piece.length : end)
    if (end < 0) return piece.length
    const isName = this.#string === 'name'
    this.#string = null
    if (isName) this.#endName()
    else if (this.#skipped === 0) this.#endValue(end + 1)
    return end + 1
  }

  /** The place of its last quotation mark; -1: it has not come. */
  #endOfString(piece: Buffer, from: number): number {
    let start = from
    if (this.#isEscaped) {
      this.#isEscaped = false
      start++
    }
    for (let at = start; ; at++) {
      const found = piece.indexOf(quote, at)
      at = found < 0 ? piece.length : found
      let escapes = 0
      while (at - 1 - escapes >= start && piece[at - 1 - escapes] === backslash) escapes++
      if (found < 0) {
        this.#isEscaped = escapes % 2 === 1
        return -1
      }
      if (escapes % 2 === 0) return found
    }
  }

  #readName(piece: Buffer, end: number): void {
    const room = maxNameBytes + 1 - this.#name.length
    this.#name += piece.toString('latin1', this.#nameStart, Math.min(end, this.#nameStart + room))
  }

  #endName(): void {
    this.#expectsName = false
    if (this.#name.includes('\\')) this.#name = unescaped(this.#name)
    this.#wanted = this.#levels.at(-1)!.shape.get(this.#name)
  }
}

function shapeInside(wanted: Shape | undefined, isList: boolean): ShapeOfObject | undefined {
  if (wanted === undefined || wanted === 'value') return undefined
  if ('each' in wanted) return isList ? wanted.each : undefined
  return isList ? undefined : wanted
}

function isScalarEnd(byte: number): boolean {
  return byte <= blank || byte === comma || byte === closeBrace || byte === closeBracket
}

function next(piece: Buffer, byte: number, from: number): number {
  const at = piece.indexOf(byte, from)
  return at < 0 ? piece.length : at
}

function unescaped(name: string): string {
  try {
    return String(JSON.parse(`"${name}"`))
  } catch {
    return name
  }
}
