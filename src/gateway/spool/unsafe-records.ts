import type { SpoolBatch, SpooledRecord } from './batches-out.ts'

/**
 * Records that could not be written to disk. They wait here in every mode of the spool, apart from those that are safe, until the disk
 * or the database takes them. Invariant: what was added is here, or was written, or was shipped: nothing is given up for another one.
 */
export class UnsafeRecords<Record extends SpooledRecord> {
  readonly #maxRecords: number
  /** Oldest first. */
  #waiting: Record[] = []
  readonly #out = new Set<readonly Record[]>()

  constructor(maxRecords: number) {
    this.#maxRecords = maxRecords
  }

  /** Those on their way included: until they have arrived, they may come back. */
  get size(): number {
    let size = this.#waiting.length
    for (const records of this.#out) size += records.length
    return size
  }

  /** Not on their way. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** False: there is no room for it. */
  add(record: Record): boolean {
    if (this.size >= this.#maxRecords) return false
    this.#waiting.push(record)
    return true
  }

  /** The oldest of those that wait. */
  oldest(count: number): readonly Record[] {
    return this.#waiting.slice(0, count)
  }

  /** The oldest are safe now. */
  drop(count: number): void {
    this.#waiting.splice(0, count)
  }

  /** Null if none waits. `changed` is called when the batch has arrived, or came back. */
  take(maxRecords: number, runId: string, changed: () => unknown): Omit<SpoolBatch, 'isLast'> | null {
    if (this.#waiting.length === 0) return null
    const records = this.#waiting.splice(0, maxRecords)
    this.#out.add(records)
    const commit = () => {
      this.#out.delete(records)
      changed()
    }
    const putBack = () => {
      if (this.#out.delete(records)) this.#waiting.unshift(...records)
      changed()
    }
    return { records, runId, commit, putBack }
  }

  /** When the first of them ended; infinity if there are none. */
  firstEndMs(): number {
    let first = Infinity
    for (const { endMs } of this.#waiting) first = Math.min(first, endMs)
    for (const records of this.#out) for (const { endMs } of records) first = Math.min(first, endMs)
    return first
  }

  /** Those on their way wait again; if they arrive nevertheless, they arrive twice. */
  recall(): void {
    this.#waiting = [...this.#out].flat().concat(this.#waiting)
    this.#out.clear()
  }
}
