/** The chunked transfer coding (RFC 9112 § 7.1). */
import { isToken } from './header-lines.ts'

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
const equals = 0x3d
const quote = 0x22
const backslash = 0x5c

// `state`: the part of the message that is expected next.
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
// Within an extension. What is beyond `over` is read by `#stepInExtension`.
const extensionName = 12
const extensionValue = 13
const quoted = 14
const quotedPair = 15
const quotedEnd = 16

/** Characters of names (RFC 9110 § 5.6.2). */
const isTokenByte = Array.from({ length: 256 }, (_, byte) => isToken(String.fromCharCode(byte)))

/** 2^48 bytes: what a number holds exactly, with room to multiply. */
const maxSizeDigits = 12
/** Most bytes of all extensions, or of all trailers, of a body. Their content is ignored. */
const maxIgnoredBytes = 16 * 1024

/**
 * Takes the coding off a body that comes in any pieces. Extensions and trailers are read over; but they are what the RFC lets them
 * be, or another program could see the end of the body elsewhere.
 */
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
    while (at < bytes.length && this.#state !== over && this.#state !== broken) {
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
        return this.#readTrailer(byte)
      case trailerEnd:
        return this.#expect(byte, lineFeed, trailer)
      case lastEnd:
        return this.#expect(byte, lineFeed, over)
      default:
        return this.#stepInExtension(byte)
    }
  }

  #stepInExtension(byte: number): void {
    if (++this.#ignored > maxIgnoredBytes) this.#state = broken
    else this.#state = this.#afterExtensionByte(byte)
  }

  #afterExtensionByte(byte: number): number {
    switch (this.#state) {
      case extension:
        return isTokenByte[byte] ? extensionName : broken
      case extensionName:
        return isTokenByte[byte] ? extensionName : byte === equals ? extensionValue : afterExtension(byte)
      case extensionValue:
        return isTokenByte[byte] ? extensionValue : byte === quote ? quoted : afterExtension(byte)
      case quoted:
        if (byte === quote) return quotedEnd
        return byte === backslash ? quotedPair : isText(byte) ? quoted : broken
      case quotedPair:
        return isText(byte) ? quoted : broken
      default:
        return afterExtension(byte)
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
    else if (byte === semicolon) this.#state = extension
    else this.#state = broken
  }

  /** Folded, or without a colon, it is no header: it could be the beginning of another message. */
  #enterTrailer(byte: number): void {
    this.#state = isTokenByte[byte] ? trailerLine : broken
    this.#hasColon = false
    this.#ignored++
  }

  #readTrailer(byte: number): void {
    if (++this.#ignored > maxIgnoredBytes) this.#state = broken
    else if (byte === carriageReturn) this.#state = this.#hasColon ? trailerEnd : broken
    else if (this.#hasColon) this.#state = isText(byte) ? trailerLine : broken
    else if (byte === colon) this.#hasColon = true
    else if (!isTokenByte[byte]) this.#state = broken
  }

  #expect(byte: number, expected: number, next: number): void {
    this.#state = byte === expected ? next : broken
  }
}

function afterExtension(byte: number): number {
  if (byte === carriageReturn) return sizeEnd
  return byte === semicolon ? extension : broken
}

/** What may stand in values: no control characters but tabs. */
function isText(byte: number): boolean {
  return (byte >= space && byte !== 0x7f) || byte === tab
}

/** -1: it is none. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
