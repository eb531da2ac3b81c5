const none = Buffer.alloc(0)

/** Bytes that wait for more. However small the pieces are in which those come, adding them costs no more than their sum. */
export class PendingBytes {
  bytes: Buffer = none
  /** Where `bytes` stand if pieces were joined, with room behind them. */
  #room = none
  #end = 0

  append(piece: Buffer): void {
    if (piece.length === 0) return
    if (this.bytes.length === 0) return this.#begin(piece)
    const length = this.bytes.length + piece.length
    if (this.#room.length - this.#end < piece.length) this.#move(length + this.bytes.length)
    this.#end += piece.copy(this.#room, this.#end)
    this.bytes = this.#room.subarray(this.#end - length, this.#end)
  }

  /** Lets the first ones go. */
  take(length: number): void {
    this.bytes = this.bytes.subarray(length)
  }

  clear(): void {
    this.#begin(none)
  }

  #begin(piece: Buffer): void {
    this.bytes = piece
    this.#room = none
    this.#end = 0
  }

  #move(size: number): void {
    this.#room = Buffer.allocUnsafe(size)
    this.#end = this.bytes.copy(this.#room)
  }
}
