import type { SpoolBatch, SpooledRecord } from './batches-in-flight.ts'

/**
 * Records that could not be written to disk. They wait here in every mode of the spool, apart from those that are safe, until the disk
 * or the database takes them. Invariant: what was added is here, or was written, or was shipped: nothing is given up for another one.
 */
export class UnsafeRecords<Record extends SpooledRecord> {
  readonly #maxRecords: number
  /** Oldest first. */
  #waiting: Record[] = []
  /** What of each batch that is on its way is in memory alone. */
  readonly #out = new Map<readonly Record[], readonly Record[]>()

  constructor(maxRecords: number) {
    this.#maxRecords = maxRecords
  }

  /** Those on their way included: until they have arrived, they may come back. */
  get size(): number {
    let size = this.#waiting.length
    for (const records of this.#out.values()) size += records.length
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

  /** The oldest ones, those on their way first. */
  oldest(count: number): readonly Record[] {
    if (this.#out.size === 0) return this.#waiting.slice(0, count)
    return [...this.#out.values()].flat().concat(this.#waiting).slice(0, count)
  }

  /** These are on disk now. Those on their way come again from there: the store knows them by their numbers. */
  drop(records: readonly Record[]): void {
    const dropped = new Set(records)
    const isLeft = (record: Record) => !dropped.has(record)
    this.#waiting = this.#waiting.filter(isLeft)
    for (const [batch, left] of this.#out) this.#out.set(batch, left.filter(isLeft))
  }

  /** Null if none waits. `changed` is called when the batch has arrived, or came back. */
  take(maxRecords: number, runId: string, changed: () => unknown): Omit<SpoolBatch, 'isLast'> | null {
    if (this.#waiting.length === 0) return null
    const records = this.#waiting.splice(0, maxRecords)
    this.#out.set(records, records)
    const commit = () => {
      this.#out.delete(records)
      changed()
    }
    const putBack = () => {
      this.#waiting.unshift(...(this.#out.get(records) ?? []))
      this.#out.delete(records)
      changed()
    }
    return { records, runId, commit, putBack }
  }

  /** When the first of them ended; infinity if there are none. */
  firstEndMs(): number {
    let first = Infinity
    for (const { endMs } of this.oldest(Infinity)) first = Math.min(first, endMs)
    return first
  }
}
