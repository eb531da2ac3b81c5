/**
 * The `model` of a multipart/form-data body, found in its raw bytes as they pass (RFC 7578, RFC 2046 § 5.1). Files go by unread.
 *
 * What servers read in different ways is refused: a second model that only some of them see would be routed by one name and
 * served by the other.
 */
import { isUtf8 } from 'node:buffer'
import type { StreamFlag } from '../../routing/vendors/operation.ts'
import { type PartHead, readPartHead } from './multipart-part-head.ts'
import { PendingBytes } from '../loop/pending-bytes.ts'
import type { Fault } from './request-faults.ts'
import type { Span } from './request-scan.ts'

export interface ScannedForm {
  /** Its text; at most `maxCapturedBytes` long. */
  readonly model: string
  /** Where its value stands; of a form that does not name one, where its part can be put. */
  readonly modelSpan: Span
  /** False: it was named elsewhere. */
  readonly namesModel: boolean
  readonly stream: boolean
}

export type FormResult =
  | { readonly ok: true; readonly form: ScannedForm }
  | { readonly ok: false; readonly fault: Fault }

/** `delimiter`: it is decided whether it was the last one. `end`: behind that. */
type State = 'preamble' | 'content' | 'delimiter' | 'head' | 'end' | 'broken'

const maxPartHeadBytes = 16 * 1024
const maxCapturedBytes = 1024
/** Far more than a server takes, and little work. */
const maxParts = 10_000

const cr = 0x0d
const lf = 0x0a
const dash = 0x2d
const lineEnd = Buffer.from('\r\n')
const headEnd = Buffer.from('\r\n\r\n')

export class MultipartScan {
  readonly #boundary: Buffer
  readonly #streamFlag: StreamFlag | null
  readonly #pending = new PendingBytes()
  #state: State = 'preamble'
  /** Where the pending bytes begin in the body; it begins as if a line ended before it, where the first delimiter may stand. */
  #offset = -lineEnd.length
  /** So many of the pending bytes are known not to end a head. */
  #searchedBytes = 0
  #detail = ''
  #parts = 0
  /** The part under way; empty: none of interest. */
  #name = ''
  #contentStart = 0
  #captured: Buffer[] = []
  #capturedBytes = 0
  #models = 0
  #model: string | undefined
  #modelSpan: Span = { start: 0, end: 0 }
  #stream = false

  /** `streamFlag`: what asks for a stream; null: nothing does. */
  constructor(boundary: string, streamFlag: StreamFlag | null) {
    this.#boundary = Buffer.from(`--${boundary}`, 'latin1')
    this.#streamFlag = streamFlag
    this.#pending.append(lineEnd)
  }

  /** The next bytes of the body. */
  push(chunk: Buffer): void {
    if (this.#state === 'broken') return
    this.#pending.append(chunk)
    while (this.#step());
  }

  /** What was found; to be asked once, after the last byte. `modelElsewhere`: the model of a form that names none; null: then there is none. */
  finish(modelElsewhere: string | null = null): FormResult {
    if (this.#state !== 'end') return invalid(this.#detail || this.#missing())
    if (this.#models > 1) return { ok: false, fault: { code: 'duplicate_model' } }
    const namesModel = this.#models > 0
    const model = namesModel && this.#model !== '' ? this.#model : (modelElsewhere ?? this.#model)
    if (model === undefined) return { ok: false, fault: { code: 'missing_model' } }
    return { ok: true, form: { model, modelSpan: this.#modelSpan, namesModel, stream: this.#stream } }
  }

  #missing(): string {
    return this.#state === 'preamble' ? 'it does not begin with its boundary' : 'it stops before its last boundary'
  }

  /** Whether there was enough to go on with. */
  #step(): boolean {
    switch (this.#state) {
      case 'preamble':
        return this.#readPreamble()
      case 'content':
        return this.#readContent()
      case 'delimiter':
        return this.#readDelimiter()
      case 'head':
        return this.#readHead()
      case 'end':
        return this.#readEnd()
      case 'broken':
        return false
    }
  }

  /** Only line breaks: cpp-httplib finds its boundary in the middle of a line there, and Django a part. */
  #readPreamble(): boolean {
    this.#take(countOf(this.#pending.bytes, isLineBreak) - lineEnd.length)
    const first = this.#pending.bytes.subarray(lineEnd.length)
    if (first.length < this.#boundary.length) return false
    const isBoundary = first.subarray(0, this.#boundary.length).equals(this.#boundary)
    if (!isBoundary || !this.#isDelimiter(lineEnd.length)) return this.#break('it does not begin with its boundary')
    return this.#endContent(0)
  }

  #readContent(): boolean {
    const { bytes } = this.#pending
    const at = bytes.indexOf(this.#boundary)
    if (at >= 0 && this.#isDelimiter(at)) return this.#endContent(at - lineEnd.length)
    // Some server takes it for a delimiter: Werkzeug behind any line break, Go at the beginning of a part, Django anywhere.
    if (at >= 0) return this.#break('its boundary stands where no part begins or ends')
    // The last bytes may be the beginning of a delimiter.
    this.#pass(Math.max(0, bytes.length - lineEnd.length - this.#boundary.length + 1))
    return false
  }

  #isDelimiter(at: number): boolean {
    const { bytes } = this.#pending
    return bytes[at - 1] === lf && bytes[at - 2] === cr
  }

  #endContent(length: number): boolean {
    const span = { start: this.#contentStart, end: this.#offset + length }
    this.#pass(length)
    this.#endPart(span)
    this.#take(lineEnd.length + this.#boundary.length)
    this.#state = 'delimiter'
    return true
  }

  /** Behind a delimiter: another part, or `--` behind the last one. Starlette takes one with blanks behind it for content. */
  #readDelimiter(): boolean {
    const { bytes } = this.#pending
    if (bytes.length < 2) return false
    if (bytes[0] === dash && bytes[1] === dash) return this.#endForm()
    if (bytes[0] !== cr || bytes[1] !== lf) return this.#break('something stands behind its boundary')
    // The line's end stays, so that a part without headers is seen as one.
    this.#state = 'head'
    this.#searchedBytes = 0
    return true
  }

  #endForm(): boolean {
    this.#take(2)
    this.#state = 'end'
    return true
  }

  /** Only line breaks and blanks: Django finds parts there too. */
  #readEnd(): boolean {
    const { bytes } = this.#pending
    const blanks = countOf(bytes, isBlank)
    if (blanks < bytes.length) return this.#break('something stands behind its last boundary')
    this.#take(blanks)
    return false
  }

  #readHead(): boolean {
    const { bytes } = this.#pending
    const end = bytes.indexOf(headEnd, Math.max(0, this.#searchedBytes - headEnd.length + 1))
    this.#searchedBytes = bytes.length
    if (end > maxPartHeadBytes || (end < 0 && bytes.length >= maxPartHeadBytes + headEnd.length))
      return this.#break('the head of a part is too long')
    if (end < 0) return false
    const head = readPartHead(bytes.toString('latin1', lineEnd.length, end))
    this.#take(end + headEnd.length)
    return 'fault' in head ? this.#break(head.fault) : this.#beginPart(head)
  }

  #beginPart({ name, isEncoded }: PartHead): boolean {
    if (++this.#parts > maxParts) return this.#break(`it has more than ${maxParts} parts`)
    if (mayNameModel(name)) {
      if (isEncoded) return this.#break('its `model` has a Content-Transfer-Encoding')
      this.#models++
    }
    this.#name = name === 'model' || name === this.#streamFlag?.name ? name : ''
    this.#contentStart = this.#offset
    this.#state = 'content'
    return true
  }

  /** Lets so many bytes of a part's content go. */
  #pass(length: number): void {
    const wanted = Math.min(length, maxCapturedBytes + 1 - this.#capturedBytes)
    if (this.#name !== '' && wanted > 0) {
      this.#captured.push(Buffer.from(this.#pending.bytes.subarray(0, wanted)))
      this.#capturedBytes += wanted
    }
    this.#take(length)
  }

  #endPart(span: Span): void {
    if (this.#name === '') return
    const value = Buffer.concat(this.#captured)
    if (this.#name === 'model') {
      this.#model = modelOf(value)
      this.#modelSpan = span
    } else this.#stream = value.toString('latin1') === this.#streamFlag?.value
    this.#name = ''
    this.#captured = []
    this.#capturedBytes = 0
  }

  #break(detail: string): false {
    this.#detail = detail
    this.#state = 'broken'
    return false
  }

  #take(length: number): void {
    this.#pending.take(length)
    this.#offset += length
  }
}

/** How many bytes at the beginning are such. */
function countOf(bytes: Buffer, isSuch: (byte: number) => boolean): number {
  let count = 0
  while (count < bytes.length && isSuch(bytes[count]!)) count++
  return count
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || isLineBreak(byte)
}

function isLineBreak(byte: number): boolean {
  return byte === cr || byte === lf
}

function invalid(detail: string): FormResult {
  return { ok: false, fault: { code: 'invalid_multipart', detail } }
}

/**
 * Whether some server finds the model under this name: those in Go take another case, PHP blanks before it, and many, OpenAI's
 * among them, brackets behind it.
 */
function mayNameModel(name: string): boolean {
  return /^\s*model\s*(?:\[.*)?$/i.test(name)
}

/** Undefined: it is no text. */
function modelOf(value: Buffer): string | undefined {
  if (value.length > maxCapturedBytes) return value.toString('latin1', 0, maxCapturedBytes)
  return isUtf8(value) ? value.toString() : undefined
}
