import { failAlone, maxStagedBytes } from '../loop/phases.ts'

/** When it is time. */
interface ReadingStep {
  add(arrivals: Arrivals): void
}

/** Whose socket it is. */
export interface ArrivalsReader {
  take(bytes: Buffer): void
  /** Told what `take` threw. */
  fail(error: unknown): void
}

/** What a socket brings, until it is time in the turn to read it. */
export class Arrivals {
  readonly #step: ReadingStep
  readonly #reader: ArrivalsReader
  #bytes: Buffer | null = null

  constructor(step: ReadingStep, reader: ArrivalsReader) {
    this.#step = step
    this.#reader = reader
  }

  /** Never throws: a socket calls it. */
  push(bytes: Buffer): void {
    try {
      this.#push(bytes)
    } catch (error) {
      failAlone(this.#reader, error)
    }
  }

  #push(bytes: Buffer): void {
    this.read()
    if (bytes.length > maxStagedBytes) return this.#reader.take(bytes)
    this.#bytes = bytes
    this.#step.add(this)
  }

  /** Reads what has come, if it was not read yet. */
  read(): void {
    const bytes = this.#bytes
    this.#bytes = null
    if (bytes) this.#reader.take(bytes)
  }

  /** Told what reading threw. */
  fail(error: unknown): void {
    this.#reader.fail(error)
  }

  /** What has come is of no interest any more. */
  drop(): void {
    this.#bytes = null
  }
}
