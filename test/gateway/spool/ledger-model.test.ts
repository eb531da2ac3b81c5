/**
 * The ledger against a model of a few lines: a list of requests whose clients saw the end. Seeded random lives of a gateway: full disks, kills,
 * restarts, steps of the clock, retention, inserts that fail before or after they have happened, records that are refused. The seeds are the
 * same each time; `LEDGER_MODEL_SEED` and `LEDGER_MODEL_RUNS` choose others.
 */
import { strict as assert } from 'node:assert'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterEach, test, vi } from 'vitest'
import { Delivery, type UsageStore } from '../../../src/gateway/spool/delivery.ts'
import { reportSpool } from '../../../src/gateway/spool/ship.ts'
import { openSpool, type Spool } from '../../../src/gateway/spool/spool.ts'
import { timelyRecord } from '../../../src/gateway/spool/timely-record.ts'
import { endedAtMs } from '../../../src/routing/usage/record.ts'
import { createUsageStore } from '../../../src/server/usage/store.ts'
import type { Database } from '../../../src/storage/database/database.ts'
import { createUsageEncoder } from '../../../src/storage/usage/ledger/encoder.ts'
import { maintainUsagePartitions } from '../../../src/storage/usage/ledger/partitions.ts'
import { countAllLostRequests, findCompleteUntil } from '../../../src/storage/usage/ledger/progress.ts'
import { openTestDatabase } from '../../support/database.ts'
import { seededRandom } from '../../support/scenario.ts'
import { openRequest } from '../../support/spooled-usage.ts'
import { usageRecord } from '../../support/usage-record.ts'

const firstSeed = Number(process.env['LEDGER_MODEL_SEED'] ?? 20_261_130)
const runs = Number(process.env['LEDGER_MODEL_RUNS'] ?? 3)
const steps = 70
const dayMs = 86_400_000
const silent = () => {}
const log = { debug: silent, info: silent, warn: silent, error: silent }

afterEach(() => vi.restoreAllMocks())

test.for(Array.from({ length: runs }, (_, i) => firstSeed + i))(
  'each request counts once or is told as lost, and nothing complete is yet to come (seed %i)',
  { timeout: 240_000 },
  async (seed) => {
    await using life = await Life.open(seed)
    for (let step = 0; step < steps; step++) await life.step()
    await life.heal()
    await life.expectAllCounted()
  },
)

/** Shipped segments are deleted meanwhile: then it begins anew. */
function copyWhole(from: string, to: string): void {
  for (;;) {
    try {
      return cpSync(from, to, { recursive: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      rmSync(to, { recursive: true, force: true })
    }
  }
}

/** What a request's client knows. */
interface Seen {
  readonly endMs: number
}

class Life implements AsyncDisposable {
  /** The model: what clients saw end, by the route that is this request's alone. */
  readonly #seen = new Map<string, Seen>()
  readonly #random: () => number
  readonly #database: Database
  readonly #root: string
  readonly #spools: Spool[] = []
  readonly #options = { full: false }
  readonly #zombies: Promise<unknown>[] = []
  #spool!: Spool
  #delivery!: Delivery
  #folders = 0
  #made = 0
  #clockMs = 0
  #mood: 'well' | 'fails' | 'breaks after' = 'well'
  #toldUntilMs = -Infinity
  /** Records died with a process that nobody could write: what is told may be more than what is missing. */
  #diedUnsafe = false

  private constructor(seed: number, database: Database) {
    this.#random = seededRandom(seed)
    this.#database = database
    this.#root = mkdtempSync(join(tmpdir(), 'signalbox-model-'))
    vi.spyOn(Date, 'now').mockImplementation(() =>
      Math.floor(performance.timeOrigin + performance.now() + this.#clockMs),
    )
  }

  static async open(seed: number): Promise<Life> {
    const life = new Life(seed, await openTestDatabase())
    await life.#start()
    return life
  }

  #whole(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  get #folder(): string {
    return join(this.#root, String(this.#folders))
  }

  async #start(): Promise<void> {
    const options = this.#options
    this.#spool = openSpool({
      root: this.#folder,
      encoder: createUsageEncoder(),
      log,
      maxInMemory: 12,
      maxSegmentBytes: 8_000,
      get maxBytes() {
        return options.full ? 0 : 1e9
      },
    })
    this.#spools.push(this.#spool)
    this.#delivery = new Delivery(this.#spool, this.#store(), log)
    // As the product does it before it serves.
    await this.#report('well')
  }

  #store(): UsageStore {
    const store = createUsageStore(this.#database.db)
    return {
      ...store,
      deliver: async (records, origin) => {
        const mood = this.#mood
        if (mood === 'fails') throw new Error('the database is away')
        await store.deliver(records, origin)
        if (mood === 'breaks after') throw new Error('the connection broke before the answer came')
      },
    }
  }

  async step(): Promise<void> {
    const at = this.#random()
    if (at < 0.4) await this.#serve(1 + this.#whole(8))
    else if (at < 0.44) this.#spool.open(openRequest(usageRecord({ startedAtMs: Date.now(), routeId: 'rte_cut_off' })))
    else if (at < 0.52) this.#options.full = !this.#options.full
    else if (at < 0.66) await this.#ship(1 + this.#whole(20))
    else if (at < 0.72) this.#mood = (['well', 'fails', 'breaks after'] as const)[this.#whole(3)]!
    else if (at < 0.78) await this.#report(this.#mood)
    else if (at < 0.82) await sleep(130)
    else if (at < 0.86) this.#clockMs = [0, 0, -3_600_000, 40 * dayMs, -40 * dayMs, 1_500][this.#whole(6)]!
    else if (at < 0.91) await maintainUsagePartitions(this.#database.db, 30, Date.now())
    else if (at < 0.96) await this.#kill()
    else await this.#restart()
  }

  async #serve(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const routeId = `rte_${this.#made++}`
      const started = usageRecord({
        startedAtMs: Date.now() - this.#whole(3) * 60_000,
        durationMs: this.#whole(5_000),
        routeId,
        ...(this.#random() < 0.02 && { status: 1e12 }),
      })
      const record = timelyRecord(started, this.#spool.clock)
      assert.ok(endedAtMs(record) >= this.#toldUntilMs, 'it ends before what was told to be complete')
      await new Promise<void>((resolve) => this.#spool.append(record, null, resolve))
      this.#seen.set(routeId, { endMs: endedAtMs(record) })
    }
  }

  /** Two batches at a time, as the shipper does it. */
  async #ship(size: number): Promise<void> {
    const batches = [this.#spool.take(size), this.#spool.take(size)].filter((batch) => batch !== null)
    const deliveries = batches.map((batch) => {
      const delivery = this.#delivery.deliver(batch)
      return { batch, delivery: delivery.then(() => true).catch(() => false) }
    })
    if (this.#random() < 0.15) {
      // It is killed meanwhile: the database goes on with what it was sent, and nobody hears of it.
      await this.#kill()
      this.#zombies.push(...deliveries.map(({ delivery }) => delivery))
      return
    }
    for (const { batch, delivery } of deliveries) {
      if (await delivery) batch.commit()
      else batch.putBack()
    }
  }

  async #report(mood: string): Promise<void> {
    if (mood === 'fails') return
    await reportSpool(this.#spool, this.#store())
    const until = (await findCompleteUntil(this.#database.db)).getTime()
    this.#toldUntilMs = Math.max(this.#toldUntilMs, until)
    const counts = await this.#counts()
    const missing = [...this.#seen].filter(([route, { endMs }]) => endMs < until && !counts.has(route))
    assert.ok(
      missing.length <= (await countAllLostRequests(this.#database.db)),
      'complete, and neither counted nor lost',
    )
  }

  /** What is on disk at this moment is all that the next process finds. */
  async #kill(): Promise<void> {
    if (this.#spool.state().unsafe > 0) this.#diedUnsafe = true
    const from = this.#folder
    this.#folders++
    copyWhole(from, this.#folder)
    await this.#start()
  }

  async #restart(): Promise<void> {
    this.#spool[Symbol.dispose]()
    if (this.#spool.state().unsafe > 0) this.#diedUnsafe = true
    await this.#start()
  }

  async heal(): Promise<void> {
    await Promise.all(this.#zombies)
    this.#options.full = false
    this.#mood = 'well'
    await this.#restart()
    for (let batch = this.#spool.take(50); batch; batch = this.#spool.take(50)) {
      await this.#delivery.deliver(batch)
      batch.commit()
    }
    const { pending, unsafe } = this.#spool.state()
    assert.deepEqual({ pending, unsafe }, { pending: 0, unsafe: 0 })
    await this.#report('well')
  }

  async expectAllCounted(): Promise<void> {
    const counts = await this.#counts()
    const twice = [...counts].filter(([route, requests]) => requests !== 1 && route !== 'rte_cut_off')
    assert.deepEqual(twice, [])
    const missing = [...this.#seen.keys()].filter((route) => !counts.has(route)).length
    const lost = await countAllLostRequests(this.#database.db)
    if (this.#diedUnsafe) assert.ok(missing <= lost, 'missing, and not told')
    else assert.equal(lost, missing)
    const { rows } = await sql<{ requests: number }>`
      select distinct sum(requests)::bigint as requests from usage_rollup group by layer`.execute(this.#database.db)
    assert.equal(rows.length, this.#seen.size > missing ? 1 : 0)
  }

  /** Sums by route: what was ever inserted, whatever retention dropped. */
  async #counts(): Promise<Map<string, number>> {
    const { rows } = await sql<{ route_id: string; requests: number }>`
      select route_id, sum(requests)::bigint as requests from usage_rollup
      join usage_dimension on key = dimension where layer = 2 group by route_id`.execute(this.#database.db)
    return new Map(rows.map(({ route_id, requests }) => [route_id, requests]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#zombies)
    for (const spool of this.#spools) spool[Symbol.dispose]()
    await this.#database[Symbol.asyncDispose]()
    rmSync(this.#root, { recursive: true })
  }
}
