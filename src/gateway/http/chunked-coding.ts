/** The chunked transfer coding (RFC 9112 § 7.1). */

export interface ChunkedReader {
  /** Bytes of the body, as a view of what was pushed. */
  onBody(part: Buffer): void
}

const carriageReturn = 0x0d
const lineFeed = 0x0a
const semicolon = 0x3b
const colon = 0x3a
const space = 0x20
const tab = 0x09

// `state`: what comes next.
const size = 0
const extension = 1
const sizeEnd = 2
const data = 3
const dataReturn = 4
const dataEnd = 5
const trailer = 6
const trailerLine = 7
const trailerEnd = 8
const lastEnd = 9
const over = 10
const broken = 11

/** 2^48 bytes: what a number holds exactly, with room to multiply. */
const maxSizeDigits = 12
/** Of all extensions, or of all trailers, of a body; nobody reads them. */
const maxIgnoredBytes = 16 * 1024

/** Takes the coding off a body that comes in any pieces. Extensions and trailers are read over. */
export class ChunkedDecoder {
  #state = size
  #size = 0
  #digits = 0
  #ignored = 0
  #hasColon = false

  get isOver(): boolean {
    return this.#state === over
  }

  /** Nothing that comes can mend it. */
  get isBroken(): boolean {
    return this.#state === broken
  }

  /** Reads on from `from`; returns where it stopped: at the end of the bytes, behind the body, or where it is broken. */
  push(bytes: Buffer, from: number, reader: ChunkedReader): number {
    let at = from
    while (at < bytes.length && this.#state < over) {
      if (this.#state === data) at = this.#passData(bytes, at, reader)
      else this.#step(bytes[at++]!)
    }
    return at
  }

  #passData(bytes: Buffer, from: number, reader: ChunkedReader): number {
    const end = Math.min(bytes.length, from + this.#size)
    this.#size -= end - from
    if (this.#size === 0) this.#state = dataReturn
    reader.onBody(from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end))
    return end
  }

  #step(byte: number): void {
    switch (this.#state) {
      case size:
        return this.#readSize(byte)
      case extension:
        if (byte === carriageReturn) this.#state = sizeEnd
        else this.#ignore(byte)
        return
      case sizeEnd:
        return this.#expect(byte, lineFeed, this.#size === 0 ? trailer : data)
      case dataReturn:
        return this.#expect(byte, carriageReturn, dataEnd)
      case dataEnd:
        this.#digits = 0
        return this.#expect(byte, lineFeed, size)
      case trailer:
        if (byte === carriageReturn) this.#state = lastEnd
        else this.#enterTrailer(byte)
        return
      case trailerLine:
        if (byte === carriageReturn) this.#state = this.#hasColon ? trailerEnd : broken
        else this.#ignore(byte)
        if (byte === colon) this.#hasColon = true
        return
      case trailerEnd:
        return this.#expect(byte, lineFeed, trailer)
      default:
        return this.#expect(byte, lineFeed, over)
    }
  }

  #readSize(byte: number): void {
    const digit = hexDigit(byte)
    if (digit >= 0) {
      this.#size = this.#digits === 0 ? digit : this.#size * 16 + digit
      this.#digits++
      if (this.#digits > maxSizeDigits) this.#state = broken
    } else if (this.#digits === 0) this.#state = broken
    else if (byte === carriageReturn) this.#state = sizeEnd
    else if (byte === semicolon || byte === space || byte === tab) this.#state = extension
    else this.#state = broken
  }

  /** Folded, or without a colon, it is no header: it could be the beginning of another message. */
  #enterTrailer(byte: number): void {
    this.#state = byte === space || byte === tab || byte === colon ? broken : trailerLine
    this.#hasColon = false
    this.#ignored++
  }

  #ignore(byte: number): void {
    if (++this.#ignored > maxIgnoredBytes || byte === lineFeed || byte === 0) this.#state = broken
  }

  #expect(byte: number, expected: number, next: number): void {
    this.#state = byte === expected ? next : broken
  }
}

/** -1: it is none. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
