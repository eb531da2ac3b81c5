import { maxStagedBytes } from '../turn.ts'

/** When it is time. */
interface ReadingStep {
  add(arrivals: { read(): void }): void
}

/** What a socket brings, until it is time in the turn to read it. */
export class Arrivals {
  readonly #step: ReadingStep
  readonly #take: (bytes: Buffer) => void
  #bytes: Buffer | null = null

  constructor(step: ReadingStep, take: (bytes: Buffer) => void) {
    this.#step = step
    this.#take = take
  }

  push(bytes: Buffer): void {
    this.read()
    if (bytes.length > maxStagedBytes) return this.#take(bytes)
    this.#bytes = bytes
    this.#step.add(this)
  }

  /** Reads what has come, if it was not read yet. */
  read(): void {
    const bytes = this.#bytes
    this.#bytes = null
    if (bytes) this.#take(bytes)
  }

  /** What has come is of no interest any more. */
  drop(): void {
    this.#bytes = null
  }
}
