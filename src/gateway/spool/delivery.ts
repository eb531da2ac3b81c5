import type { GatewayLog } from '../ports.ts'
import type { SpoolBatch, SpooledRecord } from './batches-in-flight.ts'
import type { RecordLoss } from './loss-ledger.ts'
import type { Spool, SpoolState } from './spool.ts'

/** The process that wrote records, and their spool. */
export interface Origin {
  readonly spoolId: string
  /** Null: unknown. */
  readonly runId: string | null
}

/** Where the records go; the server plugs the database in. */
export interface UsageStore {
  /**
   * Resolves when the records are safe, however often they are sent. Throws `RefusedRecords` if it will never take them,
   * `UnclearFailure` if nobody knows whether sending them again could help, and anything else if it could not take anything now.
   */
  deliver(records: readonly SpooledRecord[], origin: Origin): Promise<void>
  /**
   * Notes that it will never have this record, and with it what is lost then. False: that had been noted before, by an earlier process.
   */
  refuse(record: SpooledRecord, origin: Origin, losses: readonly RecordLoss[]): Promise<boolean>
  /** Takes note of how far the spool has been shipped; resolves to the store's time, in milliseconds since the epoch. */
  report(spoolId: string, state: SpoolState): Promise<number>
}

/** At least one of the records will never be taken: sending the same again is useless. */
export class RefusedRecords extends Error {
  override name = 'RefusedRecords'
}

/** The store failed, and did not say whether the records are the reason. */
export class UnclearFailure extends Error {
  override name = 'UnclearFailure'
}

/** A record that fails alone in so many deliveries, while others are taken or the store takes an empty one, is the reason itself. */
const maxFailuresBesideOthers = 3
const maxFailuresAlone = 30
/** Of a batch nothing was taken after so many statements, more than halving to one record needs: it is not the records. */
const maxFruitless = 16

/** What came of a part of a batch. */
interface Progress {
  taken: number
  fruitless: number
  /** Records that failed when sent alone, for an unknown reason. */
  readonly suspects: SpooledRecord[]
}

/**
 * Delivers batches. One record that the store does not take must not hold up all others: it is found by halving, counted as lost once,
 * and left out from then on.
 */
export class Delivery {
  readonly #spool: Spool
  readonly #store: UsageStore
  readonly #log: GatewayLog
  /** Ids of records that are counted already, until their batch has arrived. */
  readonly #refused = new Set<string>()
  readonly #failures = new Map<string, number>()

  constructor(spool: Spool, store: UsageStore, log: GatewayLog) {
    this.#spool = spool
    this.#store = store
    this.#log = log
  }

  /** Throws if the batch has to be sent again. */
  async deliver({ records, runId }: Pick<SpoolBatch, 'records' | 'runId'>): Promise<void> {
    const origin = { spoolId: this.#spool.id, runId }
    const wanted = this.#refused.size === 0 ? records : records.filter(({ id }) => !this.#refused.has(id))
    const progress: Progress = { taken: 0, fruitless: 0, suspects: [] }
    const failure = await this.#deliverPart(wanted, origin, progress)
    if (failure) await this.#judge(progress, origin, failure)
    for (const { id } of records) {
      this.#refused.delete(id)
      this.#failures.delete(id)
    }
  }

  /** Returns the last unknown failure. */
  async #deliverPart(
    records: readonly SpooledRecord[],
    origin: Origin,
    progress: Progress,
  ): Promise<UnclearFailure | null> {
    if (records.length === 0) return null
    try {
      await this.#store.deliver(records, origin)
      progress.taken += records.length
      return null
    } catch (error) {
      if (!(error instanceof RefusedRecords || error instanceof UnclearFailure)) throw error
      if (progress.taken === 0 && error instanceof UnclearFailure && ++progress.fruitless > maxFruitless) throw error
      if (records.length > 1) return await this.#deliverHalves(records, origin, progress)
      if (error instanceof UnclearFailure) {
        progress.suspects.push(records[0]!)
        return error
      }
      await this.#refuse(records[0]!, origin, error)
      return null
    }
  }

  async #deliverHalves(records: readonly SpooledRecord[], origin: Origin, progress: Progress) {
    const middle = records.length >> 1
    const first = await this.#deliverPart(records.slice(0, middle), origin, progress)
    return (await this.#deliverPart(records.slice(middle), origin, progress)) ?? first
  }

  /** Throws as long as it is not sure that the suspects are to blame. */
  async #judge({ taken, suspects }: Progress, origin: Origin, failure: UnclearFailure): Promise<void> {
    // An empty delivery that fails says that it is the store.
    if (taken === 0) await this.#store.deliver([], origin)
    const maxFailures = taken > 0 ? maxFailuresBesideOthers : maxFailuresAlone
    const guilty = suspects.filter(({ id }) => this.#countFailure(id) >= maxFailures)
    for (const record of guilty) await this.#refuse(record, origin, failure)
    if (guilty.length < suspects.length) throw failure
  }

  #countFailure(id: string): number {
    const failures = (this.#failures.get(id) ?? 0) + 1
    this.#failures.set(id, failures)
    return failures
  }

  async #refuse(record: SpooledRecord, origin: Origin, error: Error): Promise<void> {
    const isNew = await this.#store.refuse(record, origin, this.#spool.lossesWith(record))
    this.#refused.add(record.id)
    if (!isNew) return
    this.#spool.countRefused(record)
    this.#log.error({ err: error, requestId: record.id }, 'a usage record was refused by the database, and is lost')
  }
}
