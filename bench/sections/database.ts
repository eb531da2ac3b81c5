/** What one PostgreSQL carries of an installation: records, leases, heartbeats and live traffic, each alone and as many as it takes. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { type Database, openDatabase } from '../../src/storage/database/database.ts'
import type { Db } from '../../src/storage/database/db.ts'
import { migrate } from '../../src/storage/database/migrate.ts'
import { listProcesses, upsertGateway } from '../../src/storage/gateway/write.ts'
import { leaseLimits } from '../../src/storage/limit/lease.ts'
import { leaseBudgets } from '../../src/storage/budget/lease.ts'
import { getEncryptionKeyId } from '../../src/storage/secret/installation.ts'
import { upsertTraffic } from '../../src/storage/traffic/write.ts'
import { createUsageEncoder } from '../../src/storage/usage/ledger/encoder.ts'
import { insertUsageEntries } from '../../src/storage/usage/ledger/insert.ts'
import { createUsagePartitions } from '../../src/storage/usage/ledger/partitions.ts'
import type { UsageEntry } from '../../src/routing/usage/entry.ts'
import { leaseMs, type LeaseRequest } from '../../src/routing/limits/lease.ts'
import type { BudgetLeaseRequest } from '../../src/routing/limits/budget-lease.ts'
import type { Budget } from '../../src/routing/limits/limit.ts'
import { startProduct } from '../../test/support/product.ts'
import { usageRecord } from '../../test/support/usage-record.ts'
import { cpuMicros, moveToServerCore, processTree } from '../cpu.ts'
import { openBenchDatabase } from '../database.ts'
import type { Row } from '../row.ts'
import { openStatementCounter } from '../statement-counter.ts'
import type { Bench, Section } from './section.ts'

const gateways = 4
const recordsPerBatch = 1_000

export const databaseSection: Section = {
  name: 'database',
  about: 'what one PostgreSQL carries: usage records, leases, heartbeats and live traffic per second',
  run: async (bench: Bench): Promise<Row[]> => {
    const forMs = bench.isQuick ? 3_000 : 10_000
    await using server = await openBenchDatabase()
    moveToServerCore(postgresProcesses())
    await migrate({ url: server.url })
    await using database = openDatabase({ url: server.url, maxConnections: gateways })
    const rows = [
      ...(await measureRecords(database, bench.isQuick ? 100_000 : 400_000)),
      await measureLimits(database.db, forMs, 1),
      await measureLimits(database.db, forMs, 100),
      await measureBudgets(database.db, forMs),
      await measureHeartbeats(database.db, forMs, 10),
      await measureHeartbeats(database.db, forMs, 100),
      await measureTraffic(database.db, forMs),
    ]
    return [...rows, await measureIdleGateway(bench.isQuick ? 5_000 : 20_000)]
  },
}

/** As four gateways ship them, in batches, each with its own connection. */
async function measureRecords({ db }: Database, count: number): Promise<Row[]> {
  const encoder = createUsageEncoder()
  const atMs = Date.now() - 60_000
  await createUsagePartitions(db, [atMs, atMs + 60_000])
  const batches = Array.from({ length: count / recordsPerBatch }, (_, batch) =>
    Array.from({ length: recordsPerBatch }, (_, n): UsageEntry => {
      const route = n % 20
      const names = { routeId: `rte_${route}`, routeName: `route-${route}` }
      return encoder.encode(usageRecord({ startedAtMs: atMs + batch, durationMs: 50 + (n % 100), ...names }))
    }),
  )
  const next = batches.values()
  const ship = async (spool: number) => {
    const origin = { spoolId: `spool_${spool}`, runId: randomUUID() }
    let first = 1
    for (const entries of next) {
      const sequences = entries.map((_, i) => first + i)
      first += entries.length
      await insertUsageEntries(db, entries, { ...origin, sequences })
    }
  }
  const shipAll = async () => {
    await Promise.all(Array.from({ length: gateways }, (_, spool) => ship(spool)))
    return count
  }
  const shipped = await measure(shipAll)
  const { rows } = await sql<{ bytes: number }>`
    select sum(pg_total_relation_size(relid))::bigint as bytes from pg_partition_tree('usage_record')`.execute(db)
  return [
    rate(`usage records, ${gateways} connections, ${recordsPerBatch} a statement`, 'records/s', shipped),
    figure('a usage record in the request log, with its indexes', 'bytes', rows[0]!.bytes / count),
  ]
}

/** As gateways take turns: all of them at the same buckets. */
async function measureLimits(db: Db, forMs: number, buckets: number): Promise<Row> {
  const asks = Array.from({ length: buckets }, (_, i): LeaseRequest => ({
    limitId: `lim_bench_${i}`,
    bucket: '',
    unit: 'REQUESTS',
    perMinute: 6_000_000,
    burst: 1_000_000,
    held: 10,
    inUse: 0,
    idleMs: 0,
    returned: 0,
    debt: 0,
    need: 10,
    spare: 100,
    solo: null,
    refused: 0,
    wouldRefuse: 0,
  }))
  const measured = await measureFor(forMs, gateways, (n) => leaseLimits(db, `gtw_${n}`, asks, leaseMs))
  return rate(`rate limits, ${gateways} gateways, the same ${buckets} a statement`, 'statements/s', measured)
}

async function measureBudgets(db: Db, forMs: number): Promise<Row> {
  const periodStartMs = Math.floor(Date.now() / 86_400_000) * 86_400_000
  const budget: Budget = {
    revision: 1,
    id: 'bgt_bench',
    subject: { kind: 'INSTALLATION' },
    per: [],
    amount: '1000000',
    period: 'DAY',
    timeZone: 'UTC',
    warnAt: [],
    onExhausted: 'REFUSE',
    unpricedReserve: null,
    raise: null,
  }
  const ask: BudgetLeaseRequest = {
    budget,
    bucket: '',
    periodStartMs,
    periodEndMs: periodStartMs + 86_400_000,
    held: 1_000_000,
    inUse: 0,
    need: 1_000_000,
    spare: 1_000_000,
    hasRefused: false,
  }
  const lessee = (n: number) => ({ gatewayId: `gtw_${n}`, spoolId: `spool_${n}` })
  const measured = await measureFor(forMs, gateways, (n) => leaseBudgets(db, lessee(n), [ask], leaseMs))
  return rate(`budgets, ${gateways} gateways, the same one a transaction`, 'transactions/s', measured)
}

/** As each gateway does each second: what it wraps secrets with, what it says of itself, and what all others say. */
async function measureHeartbeats(db: Db, forMs: number, count: number): Promise<Row> {
  const report = (n: number) => ({
    id: `gtw_beat_${n}`,
    role: 'gateway' as const,
    applied: { version: 1, token: '' },
    appliedAt: new Date(),
    inFlight: 0,
    pendingUsageRecords: 0,
    startedAt: new Date(0),
    build: 'bench',
    host: 'bench',
    encryptionKeyIds: ['0123456789abcdef'],
    sealingKeyId: '0123456789abcdef',
    spoolId: `spool_${n}`,
    health: {},
    endpointInFlight: {},
  })
  for (let n = 0; n < count; n++) await upsertGateway(db, report(n))
  let turn = 0
  const measured = await measureFor(forMs, gateways, async () => {
    await getEncryptionKeyId(db)
    await upsertGateway(db, report(turn++ % count))
    await listProcesses(db)
  })
  return rate(`heartbeats, among ${count} gateways`, 'heartbeats/s', measured)
}

/** As a gateway reports 20 busy routes with two targets each, several times a second. */
async function measureTraffic(db: Db, forMs: number): Promise<Row> {
  const routesEach = 20
  const second = Math.floor(Date.now() / 1_000)
  const place = (target: number) => ({
    targetId: `tgt_${target}`,
    backendId: `dep_${target}`,
    backendLabel: `llama-${target}`,
    requests: 25,
    failures: 0,
    left: 0,
    inputTokens: 25_000,
    outputTokens: 2_500,
    firstByte: [100, 10, 101, 10, 102, 5],
    duration: [140, 5, 141, 10, 142, 10],
  })
  const rows = Array.from({ length: routesEach }, (_, route) => ({
    routeId: `rte_${route}`,
    second,
    report: { second, revision: 1, requests: 50, places: [place(0), place(1)], divergence: [] },
    inFlight: [],
  }))
  const measured = await measureFor(forMs, gateways, (n) => upsertTraffic(db, `gtw_${n}`, rows))
  return rate(`live traffic, ${routesEach} routes a statement`, 'statements/s', measured)
}

/** What a process that serves nobody asks for. */
async function measureIdleGateway(forMs: number): Promise<Row> {
  await using server = await openBenchDatabase()
  await using counter = await openStatementCounter(server.url)
  await using _product = await startProduct({ env: { ...server.env, DATABASE_URL: counter.url } })
  await sleep(2_000)
  const before = counter.statements()
  await sleep(forMs)
  const perSecond = ((counter.statements() - before) * 1_000) / forMs
  return figure('a process that serves nobody', 'statements/s', perSecond)
}

interface Measured {
  readonly perSecond: number
  /** CPU time of the database for each, in microseconds: it says the same on a machine with other work. */
  readonly cpuMicrosEach: number
}

/** `work` resolves to how many things it has done. */
async function measure(work: () => Promise<number>): Promise<Measured> {
  const before = { cpu: cpuMicros(postgresProcesses()), atMs: performance.now() }
  const count = await work()
  const elapsedMs = performance.now() - before.atMs
  // Looked for again: each connection is a process.
  const cpu = cpuMicros(postgresProcesses()) - before.cpu
  return { perSecond: (count * 1_000) / elapsedMs, cpuMicrosEach: cpu / count }
}

/** With `sides` calls under way all the time. */
function measureFor(forMs: number, sides: number, call: (side: number) => Promise<unknown>): Promise<Measured> {
  const beganAtMs = performance.now()
  let count = 0
  const repeat = async (side: number) => {
    while (performance.now() - beganAtMs < forMs) {
      await call(side)
      count++
    }
  }
  return measure(async () => {
    await Promise.all(Array.from({ length: sides }, (_, side) => repeat(side)))
    return count
  })
}

function postgresProcesses(): number[] {
  return processTree(process.pid, (commandLine) => commandLine.includes('postgres')).filter(
    (pid) => pid !== process.pid,
  )
}

function rate(what: string, unit: string, { perSecond, cpuMicrosEach }: Measured): Row {
  return { ...figure(what, unit, perSecond), result: cpuMicrosEach, resultUnit: 'µs of its CPU each' }
}

function figure(what: string, unit: string, value: number): Row {
  return { what, unit, values: { signalbox: value } }
}
