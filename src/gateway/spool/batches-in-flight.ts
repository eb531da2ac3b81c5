import type { UsageEntry } from '../../routing/usage/entry.ts'

/** A record, written down. */
export interface SpooledRecord extends UsageEntry {
  /** Of its request. */
  readonly id: string
  /** When its request ended, in milliseconds since the epoch. */
  readonly endMs: number
  /** Among all records of the run that wrote it, from 1 on; 0: an earlier version wrote it and gave none. */
  readonly sequence: number
}

/** Records to ship. */
export interface SpoolBatch {
  readonly records: readonly SpooledRecord[]
  /** Of the process that wrote them, which is not always this one; null: of an earlier version, and unknown. */
  readonly runId: string | null
  /** No more than these waited. */
  readonly isLast: boolean
  /** They are in the database. */
  commit(): void
  /** They come again, and so do those that were taken after them. */
  putBack(): void
}

/** A sent batch: its records, and their end in the segment; null if they came from memory. */
interface Taken {
  readonly records: readonly SpooledRecord[]
  readonly runId: string | null
  readonly end: number | null
  readonly isLast: boolean
}

interface Out extends Taken {
  readonly arrived: () => void
  hasArrived: boolean
}

/**
 * Batches that are on their way at the same time. Whenever each arrives, they are noted in the order in which they were
 * taken: so what is noted has no gap.
 */
export class BatchesInFlight {
  readonly #batches: Out[] = []

  get size(): number {
    return this.#batches.length
  }

  /** Records in all of them. */
  get records(): number {
    return this.#batches.reduce((sum, { records }) => sum + records.length, 0)
  }

  /** Where the last one ends. */
  get end(): number | null {
    return this.#batches.at(-1)?.end ?? null
  }

  /** `arrived` is called when it and all before it are in the database; never, if one of them is put back. */
  add(taken: Taken, arrived: () => void): SpoolBatch {
    const batch: Out = { ...taken, arrived, hasArrived: false }
    this.#batches.push(batch)
    return {
      records: taken.records,
      runId: taken.runId,
      isLast: taken.isLast,
      commit: () => {
        batch.hasArrived = true
        while (this.#batches[0]?.hasArrived) this.#batches.shift()!.arrived()
      },
      putBack: () => {
        const at = this.#batches.indexOf(batch)
        if (at >= 0) this.#batches.splice(at)
      },
    }
  }
}
