import { resultNames } from '../../routing/health/upstream-error.ts'

/** More than this is no error. */
export const maxErrorObjectBytes = 64 * 1024

/** `blank`: nothing but white space came. `answer`: it is one. `unknown`: by what came, it may be an error yet. */
export type PlainBeginning = 'blank' | 'unknown' | 'answer'

/** Where white space means nothing. */
type Between = 'blank' | 'list' | 'member' | 'colon' | 'value'
type Place = Between | 'name' | 'result' | 'scalar' | 'string' | 'nested' | 'nestedString' | 'over' | 'answer'

const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const bracket = 0x5b
const backslash = 0x5c
const bracketEnd = 0x5d
const brace = 0x7b
const braceEnd = 0x7d

const longestName = 32

/**
 * Reads a plain answer with a good status up to where it cannot be an error in the place of one: to the first member of its
 * object, or of the first object in its list, that only answers have. It looks at each byte once, however small the pieces are.
 */
export class PlainOpening {
  #place: Place = 'blank'
  #name = ''
  #nameAt = 0
  #isEscaped = false
  #depth = 0
  /** With this byte the value of a result ends that holds nothing. */
  #emptyEnd = 0

  push(chunk: Buffer): PlainBeginning {
    this.#nameAt = 0
    for (let at = 0; at < chunk.length && this.#place !== 'answer'; at++)
      this.#place = this.#step(chunk[at]!, chunk, at)
    if (this.#place === 'name') this.#keepName(chunk, chunk.length)
    return this.#place === 'blank' || this.#place === 'answer' ? this.#place : 'unknown'
  }

  #step(byte: number, chunk: Buffer, at: number): Place {
    switch (this.#place) {
      case 'name':
        return this.#readName(byte, chunk, at)
      case 'string':
        return this.#isStringEnd(byte) ? 'member' : 'string'
      case 'nestedString':
        return this.#isStringEnd(byte) ? 'nested' : 'nestedString'
      case 'nested':
        return this.#readNested(byte)
      case 'scalar':
        return byte === comma ? 'member' : byte === braceEnd ? 'over' : 'scalar'
      case 'result':
        return this.#readResult(byte)
      case 'over':
      case 'answer':
        return this.#place
      case 'blank':
      case 'list':
      case 'member':
      case 'colon':
      case 'value':
        return isBlank(byte) ? this.#place : this.#readMark(this.#place, byte, at)
    }
  }

  #readMark(place: Between, byte: number, at: number): Place {
    switch (place) {
      case 'blank':
        return byte === brace ? 'member' : byte === bracket ? 'list' : isByteOrderMark(byte) ? 'blank' : 'answer'
      case 'list':
        return byte === brace ? 'member' : 'answer'
      case 'member':
        if (byte === quote) return this.#beginName(at + 1)
        return byte === comma ? 'member' : byte === braceEnd ? 'over' : 'answer'
      case 'colon':
        return byte === colon ? 'value' : 'answer'
      case 'value':
        return resultNames.has(this.#name) ? this.#beginResult(byte) : this.#beginValue(byte)
    }
  }

  #beginName(at: number): Place {
    this.#name = ''
    this.#nameAt = at
    return 'name'
  }

  #readName(byte: number, chunk: Buffer, at: number): Place {
    if (!this.#isStringEnd(byte)) return 'name'
    this.#keepName(chunk, at)
    return 'colon'
  }

  #keepName(chunk: Buffer, end: number): void {
    if (this.#name.length <= longestName) this.#name += chunk.toString('latin1', this.#nameAt, end)
  }

  #isStringEnd(byte: number): boolean {
    if (this.#isEscaped) this.#isEscaped = false
    else if (byte === backslash) this.#isEscaped = true
    else return byte === quote
    return false
  }

  #beginValue(byte: number): Place {
    if (byte === quote) return 'string'
    if (byte !== brace && byte !== bracket) return 'scalar'
    this.#depth = 1
    return 'nested'
  }

  #readNested(byte: number): Place {
    if (byte === quote) return 'nestedString'
    if (byte === brace || byte === bracket) this.#depth++
    else if ((byte === braceEnd || byte === bracketEnd) && --this.#depth === 0) return 'member'
    return 'nested'
  }

  /** `null` and `false` say nothing. */
  #beginResult(byte: number): Place {
    if (byte === 0x6e || byte === 0x66) return 'scalar'
    if (byte !== quote && byte !== bracket) return 'answer'
    this.#emptyEnd = byte === quote ? quote : bracketEnd
    return 'result'
  }

  #readResult(byte: number): Place {
    if (byte === this.#emptyEnd) return 'member'
    return this.#emptyEnd === bracketEnd && isBlank(byte) ? 'result' : 'answer'
  }
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function isByteOrderMark(byte: number): boolean {
  return byte === 0xef || byte === 0xbb || byte === 0xbf
}

/** Whether a whole answer with a good status is worth parsing for an error. */
export function mayHoldError(body: Buffer): boolean {
  if (body.length > maxErrorObjectBytes) return false
  if (body.indexOf('"error') < 0 && body.indexOf('"failed"') < 0) return false
  const text = body.toString('latin1')
  return /^(?:\xEF\xBB\xBF)?\s*[[{]/.test(text) && errorMark.test(text)
}

const errorMark =
  /"(?:error"\s*:\s*(?!null\b|false\b|"")|errors"\s*:|type"\s*:\s*"error"|object"\s*:\s*"error"|status"\s*:\s*"failed")/
