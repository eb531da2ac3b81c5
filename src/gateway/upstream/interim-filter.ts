/** Of all informational answers before one answer. */
const maxBytes = 64 * 1024

const beginning = Buffer.from('HTTP/1.1 1')
const headEnd = Buffer.from('\r\n\r\n')

/**
 * Takes informational answers (RFC 9110 § 15.2) out of what a connection brings: undici takes a `100 Continue` that nobody asked
 * for as a fault.
 */
export class InterimFilter {
  /** Whether anything came since the request went out. */
  hasBegun = false
  #isExpecting = false
  #held: Buffer | null = null
  #dropped = 0

  /** A request goes out: its answer may begin with them. */
  expectAnswer(): void {
    this.hasBegun = false
    this.#isExpecting = true
    this.#held = null
    this.#dropped = 0
  }

  /** What is left of the bytes; null: nothing yet. */
  take(bytes: Buffer): Buffer | null {
    this.hasBegun = true
    if (!this.#isExpecting) return bytes
    let rest = this.#held ? Buffer.concat([this.#held, bytes]) : bytes
    this.#held = null
    while (rest.length > 0) {
      if (!mayBeInterim(rest) || this.#dropped + rest.length > maxBytes) return this.#passOn(rest)
      const end = rest.length < beginning.length ? -1 : rest.indexOf(headEnd)
      if (end < 0) return this.#hold(rest)
      this.#dropped += end + headEnd.length
      rest = rest.subarray(end + headEnd.length)
    }
    return null
  }

  #passOn(rest: Buffer): Buffer {
    this.#isExpecting = false
    return rest
  }

  #hold(rest: Buffer): null {
    this.#held = rest
    return null
  }
}

/** Another protocol (101) is no informational answer, but a fault. */
function mayBeInterim(bytes: Buffer): boolean {
  const length = Math.min(bytes.length, beginning.length)
  if (bytes.compare(beginning, 0, length, 0, length) !== 0) return false
  return bytes.toString('latin1', beginning.length, beginning.length + 2) !== '01'
}
