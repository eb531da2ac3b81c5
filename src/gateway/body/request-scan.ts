/**
 * What the gateway must know of a JSON request, found in its raw bytes: the top-level `model`, `stream_options`, and the member
 * that asks for a stream.
 *
 * The bytes may come in any pieces. The whole body is walked, because a second `model` member at its end would be routed by one
 * name and served by the other. Nothing is parsed that is not needed: `9007199254740993` and `1e400` stay what they are.
 */
import { isUtf8 } from 'node:buffer'
import type { StreamFlag } from '../../routing/vendors/operation.ts'

/** A range of bytes of the body: from `start` up to, and without, `end`. */
export interface Span {
  readonly start: number
  readonly end: number
}

export interface IncludeUsage extends Span {
  readonly value: boolean | null
}

export interface StreamOptionsMember extends Span {
  readonly kind: 'object' | 'null'
  readonly isEmpty: boolean
  /** The client's value of `include_usage`; null if there is none, `'unusable'` if it is neither a boolean nor null. */
  readonly includeUsage: IncludeUsage | 'unusable' | null
}

export interface ScannedRequest {
  /** Its text, decoded; at most `maxCapturedBytes` long. */
  readonly model: string
  /** Where its value stands, quotes included; of a body that does not name one, where the member can be put. */
  readonly modelSpan: Span
  /** False: it was named elsewhere. */
  readonly namesModel: boolean
  readonly stream: boolean
  /** Just behind the opening brace of the object. */
  readonly membersStart: number
  /** Undefined if there is none; `'unusable'` if it is repeated, or neither an object nor null. */
  readonly streamOptions: StreamOptionsMember | 'unusable' | undefined
}

export type ScanFault = 'invalid_json' | 'missing_model' | 'duplicate_model'

export type ScanResult =
  | { readonly ok: true; readonly request: ScannedRequest }
  | { readonly ok: false; readonly fault: ScanFault }

/** Deeper nesting is refused: a parser upstream would overflow its stack. */
const maxDepth = 1000

/** No member name or model name of interest is longer, also if each character is written as an escape. */
const maxCapturedBytes = 1024

// `state`: what may come next.
const beforeObject = 0
const value = 1
const valueOrEnd = 2
const key = 3
const keyOrEnd = 4
const colon = 5
const afterValue = 6
const inString = 7
const inWord = 8
const inNumber = 9
const afterObject = 10

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const comma = 0x2c

/** Strings are read byte by byte for so long, then by `indexOf`: a call costs as much as some ten bytes. */
const shortString = 8

const byteOrderMark = [0xef, 0xbb, 0xbf]

type Member = 'model' | 'streamFlag' | 'stream_options' | 'include_usage' | undefined

const words: Readonly<Record<number, string>> = { 0x74: 'true', 0x66: 'false', 0x6e: 'null' }

export class RequestScan {
  readonly #streamFlag: StreamFlag | null
  /** Bytes that came before the current chunk. */
  #offset = 0
  #state = beforeObject
  #isBroken = false
  /** One entry for each open object (true) and array (false). */
  readonly #nesting: boolean[] = []

  #isKey = false
  #isEscaped = false
  #captures = false
  #captured: Buffer[] = []
  /** Where the current string, word or number begins, in the whole body. */
  #tokenStart = 0
  #word = ''
  #wordAt = 0

  /** The member of interest whose value comes next, or is open. */
  #member: Member
  #isInStreamOptions = false

  #membersStart = 0
  #hasMembers = false
  #modelNames = 0
  #model: string | undefined
  #modelSpan: Span | undefined
  #stream = false
  #streamOptionsCount = 0
  #streamOptions: StreamOptionsMember | undefined
  #streamOptionsStart = 0
  #streamOptionsIsEmpty = true
  #includeUsage: IncludeUsage | 'unusable' | null = null

  /** `streamFlag`: what asks for a stream; null: nothing does. */
  constructor(streamFlag: StreamFlag | null) {
    this.#streamFlag = streamFlag
  }

  /** The next bytes of the body. */
  push(chunk: Buffer): void {
    const length = chunk.length
    let at = 0
    while (at < length && !this.#isBroken) {
      if (this.#state === inString) at = this.#walkString(chunk, at)
      else if (this.#state === inNumber) at = this.#walkNumber(chunk, at)
      else at = this.#step(chunk, at)
    }
    this.#offset += length
  }

  /**
   * What was found; to be asked once, after the last byte. `modelElsewhere`: the model of a body that names none, or an empty one;
   * null: then there is none.
   */
  finish(modelElsewhere: string | null = null): ScanResult {
    if (this.#isBroken || this.#state !== afterObject) return { ok: false, fault: 'invalid_json' }
    if (this.#modelNames > 1) return { ok: false, fault: 'duplicate_model' }
    if (modelElsewhere !== null && !this.#model) return this.#finishWith(modelElsewhere)
    if (this.#model === undefined || !this.#modelSpan) return { ok: false, fault: 'missing_model' }
    return { ok: true, request: this.#found(this.#model, this.#modelSpan, true) }
  }

  #finishWith(model: string): ScanResult {
    if (this.#modelSpan) return { ok: true, request: this.#found(model, this.#modelSpan, true) }
    // A model that is a number is not none; and an empty object is no request of any operation.
    if (this.#modelNames > 0 || !this.#hasMembers) return { ok: false, fault: 'missing_model' }
    const start = this.#membersStart
    return { ok: true, request: this.#found(model, { start, end: start }, false) }
  }

  #found(model: string, modelSpan: Span, namesModel: boolean): ScannedRequest {
    return {
      model,
      modelSpan,
      namesModel,
      stream: this.#stream,
      membersStart: this.#membersStart,
      streamOptions: this.#readStreamOptions(),
    }
  }

  #readStreamOptions(): ScannedRequest['streamOptions'] {
    if (this.#streamOptionsCount === 0) return undefined
    return this.#streamOptionsCount === 1 && this.#streamOptions ? this.#streamOptions : 'unusable'
  }

  #step(chunk: Buffer, at: number): number {
    const byte = chunk[at]!
    if (this.#state === inWord) return this.#walkWord(byte, at)
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return at + 1
    switch (this.#state) {
      case value:
        this.#beginValue(byte, at)
        break
      case valueOrEnd:
        if (byte === closeBracket) this.#close(false, at)
        else this.#beginValue(byte, at)
        break
      case key:
      case keyOrEnd:
        if (byte === quote) this.#beginKey(at)
        else if (byte === closeBrace && this.#state === keyOrEnd) this.#close(true, at)
        else this.#isBroken = true
        break
      case colon:
        if (byte === 0x3a) this.#state = value
        else this.#isBroken = true
        break
      case afterValue:
        if (byte === comma) this.#state = this.#nesting.at(-1) ? key : value
        else if (byte === closeBrace || byte === closeBracket) this.#close(byte === closeBrace, at)
        else this.#isBroken = true
        break
      case beforeObject:
        this.#begin(byte, this.#offset + at)
        break
      default:
        this.#isBroken = true
    }
    return at + 1
  }

  #begin(byte: number, position: number): void {
    // RFC 8259 § 8.1 allows parsers to ignore a byte order mark. It is passed on, because the upstream decides.
    if (byte === byteOrderMark[position]) return
    this.#isBroken = byte !== openBrace
    this.#open(true)
    this.#membersStart = position + 1
  }

  #beginValue(byte: number, at: number): void {
    this.#tokenStart = this.#offset + at
    if (byte === quote) {
      this.#isKey = false
      this.#captures = this.#member === 'model' || (this.#member === 'streamFlag' && this.#streamFlag!.value[0] === '"')
      this.#state = inString
    } else if (byte === openBrace || byte === openBracket) {
      if (this.#member === 'stream_options' && byte === openBrace) this.#beginStreamOptions()
      if (this.#member === 'include_usage') this.#includeUsage = 'unusable'
      this.#member = undefined
      this.#open(byte === openBrace)
    } else if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) {
      this.#state = inNumber
    } else {
      this.#word = words[byte] ?? ''
      this.#wordAt = 1
      this.#isBroken = this.#word === ''
      this.#state = inWord
    }
  }

  #beginKey(at: number): void {
    const depth = this.#nesting.length
    this.#isKey = true
    this.#hasMembers = true
    this.#captures = depth === 1 || (depth === 2 && this.#isInStreamOptions)
    if (depth === 2) this.#streamOptionsIsEmpty = false
    this.#tokenStart = this.#offset + at
    this.#state = inString
  }

  #open(isObject: boolean): void {
    this.#nesting.push(isObject)
    this.#state = isObject ? keyOrEnd : valueOrEnd
    if (this.#nesting.length > maxDepth) this.#isBroken = true
  }

  #close(isObject: boolean, at: number): void {
    if (this.#nesting.pop() !== isObject) this.#isBroken = true
    const depth = this.#nesting.length
    this.#state = depth === 0 ? afterObject : afterValue
    if (depth === 1 && this.#isInStreamOptions) this.#endStreamOptions(this.#offset + at + 1)
  }

  /** From inside a string to behind its closing quote, or to the end of the chunk. */
  #walkString(chunk: Buffer, from: number): number {
    const end = this.#findStringEnd(chunk, from)
    if (this.#captures && (end < 0 || !this.#isKey || this.#captured.length > 0 || mayNameMember(chunk, from, end)))
      this.#captured.push(chunk.subarray(from, Math.min(end < 0 ? chunk.length : end, from + maxCapturedBytes + 1)))
    if (end < 0) return chunk.length
    if (this.#isKey) this.#endKey()
    else {
      if (this.#captures && this.#member === 'model') this.#endModel(this.#offset + end + 1)
      else if (this.#captures) this.#endFlag()
      else if (this.#member) this.#endScalar(this.#offset + end + 1, undefined)
      this.#state = afterValue
    }
    return end + 1
  }

  /** Where the closing quote is, or -1; `#isEscaped` says whether the next chunk begins behind a backslash. */
  #findStringEnd(chunk: Buffer, from: number): number {
    const length = chunk.length
    let at = this.#isEscaped ? from + 1 : from
    this.#isEscaped = false
    for (;;) {
      const slow = Math.min(length, at + shortString)
      for (; at < slow; at++) {
        const byte = chunk[at]
        if (byte === quote) return at
        if (byte === backslash) at++
      }
      if (at < length) {
        const start = at
        at = chunk.indexOf(quote, start)
        if (at < 0) at = length
        if (isEscapedAt(chunk, start, at)) at++
        else if (at < length) return at
      }
      if (at >= length) {
        this.#isEscaped = at > length
        return -1
      }
    }
  }

  #takeCaptured(): Buffer {
    const captured = this.#captured
    this.#captured = []
    return captured.length === 1 ? captured[0]! : Buffer.concat(captured)
  }

  #endKey(): void {
    this.#state = colon
    this.#member = undefined
    if (this.#captured.length === 0) return
    const name = this.#readShort(this.#takeCaptured())
    if (this.#nesting.length === 2) {
      if (name === 'include_usage') this.#member = 'include_usage'
      return
    }
    // Servers written in Go take `Model` for `model`.
    if (name.length === 5 && name.toLowerCase() === 'model') this.#modelNames++
    if (name === 'model' || name === 'stream_options') this.#member = name
    else if (name === this.#streamFlag?.name) this.#member = 'streamFlag'
    if (name === 'stream_options') this.#streamOptionsCount++
  }

  #readShort(bytes: Buffer): string {
    if (bytes.length > maxCapturedBytes) return ''
    if (!bytes.includes(backslash)) return bytes.toString('latin1')
    return this.#unescape(bytes) ?? ''
  }

  #endFlag(): void {
    this.#stream = `"${this.#readShort(this.#takeCaptured())}"` === this.#streamFlag!.value
    this.#member = undefined
  }

  #endModel(end: number): void {
    const bytes = this.#takeCaptured()
    this.#modelSpan = { start: this.#tokenStart, end }
    this.#member = undefined
    if (bytes.length > maxCapturedBytes) this.#model = bytes.toString('latin1', 0, maxCapturedBytes)
    else if (bytes.includes(backslash)) this.#model = this.#unescape(bytes)
    else this.#model = bytes.toString()
    // A byte sequence that is not UTF-8 reads as U+FFFD, which may also be meant.
    if (this.#model?.includes('\uFFFD') && !isUtf8(bytes)) this.#isBroken = true
  }

  #unescape(bytes: Buffer): string | undefined {
    try {
      return JSON.parse(`"${bytes.toString()}"`) as string
    } catch {
      this.#isBroken = true
      return undefined
    }
  }

  #walkWord(byte: number, at: number): number {
    if (byte !== this.#word.charCodeAt(this.#wordAt)) this.#isBroken = true
    else if (++this.#wordAt === this.#word.length) {
      if (this.#member) this.#endScalar(this.#offset + at + 1, this.#word)
      this.#state = afterValue
    }
    return at + 1
  }

  #walkNumber(chunk: Buffer, from: number): number {
    let at = from
    while (at < chunk.length && isOfNumber(chunk[at]!)) at++
    if (at < chunk.length) {
      if (this.#member) this.#endScalar(this.#offset + at, undefined)
      this.#state = afterValue
    }
    return at
  }

  /** A member of interest has a string, number or word as its value; `word` is null, true or false. */
  #endScalar(end: number, word: string | undefined): void {
    const span = { start: this.#tokenStart, end }
    if (this.#member === 'model' && word === 'null') this.#modelSpan = span
    if (this.#member === 'streamFlag') this.#stream = word === this.#streamFlag!.value
    if (this.#member === 'include_usage')
      this.#includeUsage =
        word === undefined ? 'unusable' : { ...span, value: word === 'null' ? null : word === 'true' }
    if (this.#member === 'stream_options' && word === 'null')
      this.#streamOptions = { ...span, kind: 'null', isEmpty: true, includeUsage: null }
    this.#member = undefined
  }

  #beginStreamOptions(): void {
    this.#isInStreamOptions = true
    this.#streamOptionsStart = this.#tokenStart
    this.#streamOptionsIsEmpty = true
    this.#includeUsage = null
  }

  #endStreamOptions(end: number): void {
    this.#isInStreamOptions = false
    this.#streamOptions = {
      start: this.#streamOptionsStart,
      end,
      kind: 'object',
      isEmpty: this.#streamOptionsIsEmpty,
      includeUsage: this.#includeUsage,
    }
  }
}

/** Whether the byte at `at` stands behind an odd number of backslashes, `start` being behind none. */
function isEscapedAt(chunk: Buffer, start: number, at: number): boolean {
  let first = at
  while (first > start && chunk[first - 1] === backslash) first--
  return (at - first) % 2 === 1
}

/** Whether a key could be one of interest: by its first letter and length, or because it has escapes. */
function mayNameMember(chunk: Buffer, start: number, end: number): boolean {
  const length = end - start
  if (length < 5) return false
  const first = chunk[start]! | 0x20
  // m(odel), s(tream), s(tream_format), s(tream_options), i(nclude_usage)
  if ((first === 0x6d && length === 5) || (first === 0x73 && (length === 6 || length >= 13) && length <= 14))
    return true
  if (first === 0x69 && length === 13) return true
  for (let at = start; at < end; at++) if (chunk[at] === backslash) return true
  return false
}

function isOfNumber(byte: number): boolean {
  // 0-9 + - . e E
  return (
    (byte >= 0x30 && byte <= 0x39) || byte === 0x2e || byte === 0x2d || byte === 0x2b || byte === 0x65 || byte === 0x45
  )
}
