/**
 * The `model` of a multipart/form-data body, found in its raw bytes as they pass (RFC 7578, RFC 2046 § 5.1). Files go by unread.
 */
import { isUtf8 } from 'node:buffer'
import type { Span } from './request-scan.ts'

export interface ScannedForm {
  readonly model: string
  /** Where its value stands. */
  readonly modelSpan: Span
  readonly stream: boolean
}

export type FormFault = 'invalid_multipart' | 'missing_model' | 'duplicate_model'

export type FormResult =
  | { readonly ok: true; readonly form: ScannedForm }
  | { readonly ok: false; readonly fault: FormFault }

const maxPartHeadBytes = 16 * 1024
const maxCapturedBytes = 1024
const none = Buffer.alloc(0)

/** The boundary that a content type names; undefined if it names none that may be. */
export function boundaryOf(contentType: string): string | undefined {
  const match = /;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType)
  return match?.[1] ?? match?.[2]
}

export class MultipartScan {
  readonly #delimiter: Buffer
  #state: 'content' | 'delimiter' | 'head' | 'epilogue' | 'broken' = 'content'
  /** Bytes that are not decided yet; it begins as if a line ended before the body, where the first delimiter may stand. */
  #pending: Buffer = Buffer.from('\r\n')
  /** Where `#pending` begins in the body. */
  #offset = -2
  /** The part under way; empty: before the first one. */
  #name = ''
  #contentStart = 0
  #captured: Buffer[] = []
  #capturedBytes = 0
  #models = 0
  #model: Buffer = none
  #modelSpan: Span = { start: 0, end: 0 }
  #stream = false

  constructor(boundary: string) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  }

  /** The next bytes of the body. */
  push(chunk: Buffer): void {
    if (this.#state === 'epilogue' || this.#state === 'broken') return
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    while (this.#step());
  }

  /** What was found; to be asked once, after the last byte. */
  finish(): FormResult {
    if (this.#state !== 'epilogue') return { ok: false, fault: 'invalid_multipart' }
    if (this.#models > 1) return { ok: false, fault: 'duplicate_model' }
    if (this.#models === 0 || !isUtf8(this.#model)) return { ok: false, fault: 'missing_model' }
    return { ok: true, form: { model: this.#model.toString(), modelSpan: this.#modelSpan, stream: this.#stream } }
  }

  /** Whether there was enough to go on with. */
  #step(): boolean {
    switch (this.#state) {
      case 'content':
        return this.#readContent()
      case 'delimiter':
        return this.#readDelimiter()
      case 'head':
        return this.#readHead()
      case 'epilogue':
      case 'broken':
        return false
    }
  }

  #readContent(): boolean {
    const at = this.#pending.indexOf(this.#delimiter)
    if (at < 0) {
      // The last bytes may be the beginning of a delimiter.
      this.#pass(Math.max(0, this.#pending.length - this.#delimiter.length + 1))
      return false
    }
    const end = this.#offset + at
    this.#pass(at)
    this.#endPart(end)
    this.#take(this.#delimiter.length)
    this.#state = 'delimiter'
    return true
  }

  /** Behind a delimiter: another part, or `--` behind the last one. */
  #readDelimiter(): boolean {
    const lineEnd = this.#pending.indexOf('\r\n')
    if (this.#pending.length >= 2 && this.#pending.subarray(0, 2).equals(Buffer.from('--'))) {
      this.#state = 'epilogue'
      this.#pending = none
      return false
    }
    if (lineEnd < 0) {
      if (this.#pending.length > maxPartHeadBytes) this.#state = 'broken'
      return false
    }
    // Only padding may stand before the line's end; its bytes stay, so that a part without headers is seen as one.
    this.#state = /^[ \t]*$/.test(this.#pending.toString('latin1', 0, lineEnd)) ? 'head' : 'broken'
    this.#take(lineEnd)
    return true
  }

  #readHead(): boolean {
    const end = this.#pending.indexOf('\r\n\r\n')
    if (end < 0) {
      if (this.#pending.length > maxPartHeadBytes) this.#state = 'broken'
      return false
    }
    this.#name = nameOf(this.#pending.toString('latin1', 0, end))
    this.#take(end + 4)
    this.#contentStart = this.#offset
    this.#state = 'content'
    return true
  }

  /** Lets so many bytes of a part's content go. */
  #pass(length: number): void {
    if ((this.#name === 'model' || this.#name === 'stream') && this.#capturedBytes <= maxCapturedBytes) {
      this.#captured.push(Buffer.from(this.#pending.subarray(0, Math.min(length, maxCapturedBytes))))
      this.#capturedBytes += length
    }
    this.#take(length)
  }

  #endPart(end: number): void {
    const value = Buffer.concat(this.#captured)
    if (this.#name === 'model') {
      this.#models++
      this.#model = value
      this.#modelSpan = { start: this.#contentStart, end }
    }
    if (this.#name === 'stream') this.#stream = value.toString('latin1') === 'true'
    this.#name = ''
    this.#captured = []
    this.#capturedBytes = 0
  }

  #take(length: number): void {
    this.#pending = this.#pending.subarray(length)
    this.#offset += length
  }
}

function nameOf(head: string): string {
  const disposition = /^content-disposition:([^\r\n]*)/im.exec(head)?.[1] ?? ''
  const match = /;\s*name=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i.exec(disposition)
  return match?.[1]?.replaceAll(/\\(.)/g, '$1') ?? match?.[2] ?? ''
}
