const lf = 0x0a
const cr = 0x0d
const colon = 0x3a
const byteOrderMark = '\uFEFF'
const dataName = Buffer.from('data')
const dataNameBehindMark = Buffer.from(`${byteOrderMark}data`)

export interface LineWatcher {
  /** Bytes of the value of a `data` line. */
  onData(bytes: Buffer): void
  /** Any other bytes: names of fields, other lines, line ends. */
  onOther(bytes: Buffer): void
  /** An empty line ended the event. */
  onEventEnd(): void
}

/** Separates data from other lines of a stream, wherever the chunks are cut. */
export class EventLines {
  readonly #watcher: LineWatcher
  /** The name of the field, as far as it has come; null: it is known what the line is. */
  #name: Buffer | null = Buffer.alloc(0)
  #isData = false
  #isFirstLine = true
  #lastByte = 0

  constructor(watcher: LineWatcher) {
    this.#watcher = watcher
  }

  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) at = this.#name ? this.#readName(bytes, at) : this.#readValue(bytes, at)
  }

  #readName(bytes: Buffer, from: number): number {
    let at = from
    while (at < bytes.length && bytes[at] !== colon && !isLineEnd(bytes[at])) at++
    this.#keepName(bytes.subarray(from, at))
    if (at === bytes.length) this.#watcher.onOther(bytes.subarray(from))
    else if (bytes[at] === colon) {
      this.#watcher.onOther(bytes.subarray(from, at + 1))
      this.#isData = this.#name!.equals(dataName) || (this.#isFirstLine && this.#name!.equals(dataNameBehindMark))
      this.#name = null
      at++
    } else {
      this.#watcher.onOther(bytes.subarray(from, at))
      return this.#endLine(bytes, at)
    }
    return at
  }

  #keepName(part: Buffer): void {
    // A longer one is none of interest, whatever it is.
    if (part.length > 0 && this.#name!.length <= dataNameBehindMark.length)
      this.#name = Buffer.concat([this.#name!, part.subarray(0, dataNameBehindMark.length + 1)])
  }

  #readValue(bytes: Buffer, from: number): number {
    let end = indexOf(bytes, lf, from, bytes.length)
    end = indexOf(bytes, cr, from, end)
    const value = bytes.subarray(from, end)
    if (value.length > 0) {
      if (this.#isData) this.#watcher.onData(value)
      else this.#watcher.onOther(value)
    }
    return end < bytes.length ? this.#endLine(bytes, end) : end
  }

  /** One byte of a line end. A line feed behind a carriage return ends no line of its own. */
  #endLine(bytes: Buffer, at: number): number {
    const isSecond = bytes[at] === lf && this.#lastByte === cr && this.#name !== null && this.#name.length === 0
    const isEmpty = this.#name !== null && this.#name.length === 0 && !isSecond
    this.#watcher.onOther(bytes.subarray(at, at + 1))
    if (isEmpty) this.#watcher.onEventEnd()
    this.#name = Buffer.alloc(0)
    this.#isFirstLine = false
    this.#isData = false
    this.#lastByte = bytes[at]!
    return at + 1
  }
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === lf || byte === cr
}

function indexOf(bytes: Buffer, byte: number, from: number, end: number): number {
  const at = bytes.subarray(from, end).indexOf(byte)
  return at < 0 ? end : from + at
}
