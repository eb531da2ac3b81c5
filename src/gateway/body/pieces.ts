/** Shorter pieces are copied together: each would cost an object, and keep all that was read with it. */
const worthKeepingBytes = 4 * 1024
const blockBytes = 16 * 1024

const none = Buffer.alloc(0)

/**
 * The bytes of a body, in the pieces in which they came. However small those were made by whoever sent them, they take no more
 * memory than a small multiple of their sum.
 */
export class BodyPieces {
  #pieces: Buffer[] = []
  /** The last piece is the beginning of this, with room behind it. */
  #block = none
  #used = 0

  add(piece: Buffer): void {
    // Most bodies are one small piece.
    if (this.#pieces.length === 0 || piece.length >= worthKeepingBytes) this.#keep(piece)
    else this.#copy(piece)
  }

  /** All pieces, which this then has no more. */
  take(): Buffer[] {
    const pieces = this.#pieces
    this.#pieces = []
    this.#block = none
    return pieces
  }

  #keep(piece: Buffer): void {
    this.#pieces.push(piece)
    this.#block = none
  }

  #copy(piece: Buffer): void {
    if (this.#block.length - this.#used < piece.length) {
      this.#block = Buffer.allocUnsafe(blockBytes)
      this.#used = 0
      this.#pieces.push(none)
    }
    this.#used += piece.copy(this.#block, this.#used)
    this.#pieces[this.#pieces.length - 1] = this.#block.subarray(0, this.#used)
  }
}
