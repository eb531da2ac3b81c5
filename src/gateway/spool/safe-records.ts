import { BatchesInFlight, type SpoolBatch, type SpooledRecord } from './batches-in-flight.ts'
import type { Segment } from './segment.ts'
import type { SegmentChain } from './segment-chain.ts'

/** An unshipped record. It keeps text and numbers, since what it was made of would live as long. */
export interface WaitingRecord extends SpooledRecord {
  /** Null: it could not be written. */
  segment: Segment | null
  /** Where its frame ends in the segment. */
  end: number
}

export interface SafeRecordsOptions {
  readonly chain: SegmentChain
  readonly runId: string
  /** Records that are also kept in memory, so that they need not be read again. */
  readonly maxInMemory: number
  /** The disk changed what it had taken: nothing can be read of so many records, the first of which ended then. */
  readonly lose: (endMs: number, count: number) => void
  /** The first segment has been shipped to its end. */
  readonly drop: (segment: Segment) => void
}

/**
 * Unshipped records that are on disk, oldest first. As long as they are few they are shipped from memory; if too many wait, all are
 * read again when it is their turn.
 */
export class SafeRecords {
  readonly #options: SafeRecordsOptions
  #size = 0
  /** All unshipped records, unless they must be read `#fromDisk`. */
  #queue: WaitingRecord[] = []
  #fromDisk = false
  /** In the first segment: where the first unshipped record is, or what comes before it. */
  #shippedTo = 0
  readonly #out = new BatchesInFlight()
  /** What was shipped too late to be noted comes again from disk. */
  #isClosed = false

  constructor(options: SafeRecordsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#size
  }

  /** Not on their way. */
  get waiting(): number {
    return this.#size - this.#out.records
  }

  get isAnyOut(): boolean {
    return this.#out.size > 0
  }

  add(record: WaitingRecord): void {
    this.#size++
    if (this.#fromDisk) return
    if (this.#queue.length < this.#options.maxInMemory) {
      this.#queue.push(record)
      return
    }
    this.readFromDisk()
  }

  /** Records that an earlier process left in a segment. */
  addRecovered(count: number): void {
    this.#size += count
  }

  /** The records in memory may be dropped, because they are also on disk. */
  readFromDisk(): void {
    this.#fromDisk = true
    this.#queue = []
  }

  /** Records that are not on their way; null if there are none, or none yet. `othersWait`: the batch is not the last of the spool. */
  take(maxRecords: number, othersWait: boolean): SpoolBatch | null {
    return this.#fromDisk ? this.#takeFromDisk(maxRecords) : this.#takeFromMemory(maxRecords, othersWait)
  }

  #takeFromMemory(maxRecords: number, othersWait: boolean): SpoolBatch | null {
    const start = this.#out.records
    const records = this.#queue.slice(start, start + maxRecords)
    if (records.length === 0) return null
    const isLast = start + records.length === this.#queue.length && !othersWait
    return this.#out.add({ records, runId: this.#options.runId, end: null, isLast }, () => {
      if (this.#isClosed) return
      this.#size -= records.length
      if (!this.#fromDisk) this.#queue.splice(0, records.length)
      for (const { segment, end } of records) if (segment) this.#noteShipped(segment, 1, end)
    })
  }

  #takeFromDisk(maxRecords: number): SpoolBatch | null {
    const { chain, drop } = this.#options
    const segment = chain.first
    // What was taken from memory is on disk too: it has to be noted there first.
    if (this.#out.size > 0 && this.#out.end === null) return null
    if (!segment) return this.#returnToMemory()
    const { records, end } = segment.readRecords(this.#out.end ?? this.#shippedTo, maxRecords)
    if (records.length > 0) {
      // Whether it is the last one, the next take finds out, and goes back to memory.
      return this.#out.add({ records, runId: segment.runId, end, isLast: false }, () => {
        if (this.#isClosed) return
        this.#size -= records.length
        this.#noteShipped(segment, records.length, end)
      })
    }
    if (this.#out.size > 0) return null
    this.giveUpRest(segment)
    if (chain.size === 1) return this.#returnToMemory()
    drop(segment)
    return this.#takeFromDisk(maxRecords)
  }

  /** All that is on disk has been shipped. */
  #returnToMemory(): null {
    this.#fromDisk = false
    return null
  }

  /** Only the first segment's position counts: those behind it have not been begun. */
  #noteShipped(segment: Segment, records: number, end: number): void {
    const { chain, drop } = this.#options
    segment.shipped += records
    while (chain.first && chain.first !== segment && chain.first.isShipped) drop(chain.first)
    if (chain.first === segment) this.#shippedTo = end
  }

  /** The unshipped rest of a segment cannot be read. */
  giveUpRest(segment: Segment): void {
    const count = segment.records - segment.shipped
    this.#size -= count
    segment.shipped = segment.records
    if (count > 0) this.#options.lose(segment.firstEndMs, count)
  }

  /** Another segment is the first one now. */
  beginSegment(): void {
    this.#shippedTo = 0
  }

  /** When the first of them ended; infinity if there are none. */
  firstEndMs(): number {
    let first = Infinity
    for (const { endMs } of this.#queue) first = Math.min(first, endMs)
    if (!this.#fromDisk) return first
    for (const segment of this.#options.chain.list())
      if (!segment.isShipped) first = Math.min(first, segment.firstEndMs)
    return first
  }

  close(): void {
    this.#isClosed = true
  }
}
