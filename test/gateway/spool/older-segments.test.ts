/**
 * Spools that versions before wrote: their records have no numbers and say nothing of images, seconds and service tiers, and its files are not named after a run. An upgrade ships them.
 */
import { randomUUID } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { reportSpool, startShipper } from '../../../src/gateway/spool/ship.ts'
import { openSpool, type Spool } from '../../../src/gateway/spool/spool.ts'
import { endedAtMs, type UsageRecord } from '../../../src/routing/usage/record.ts'
import { createUsageStore } from '../../../src/server/usage/store.ts'
import type { Database } from '../../../src/storage/database/database.ts'
import { createUsageEncoder } from '../../../src/storage/usage/ledger/encoder.ts'
import {
  adoptUsageProgress,
  countAllLostRequests,
  reportUsageProgress,
} from '../../../src/storage/usage/ledger/progress.ts'
import { openTestDatabase } from '../../support/database.ts'
import { until } from '../../support/until.ts'
import { usageRecord } from '../../support/usage-record.ts'

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

let root: string
let database: Database
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'signalbox-older-'))
  database = await openTestDatabase()
})
afterEach(async () => {
  await database[Symbol.asyncDispose]()
  rmSync(root, { recursive: true })
})

/** The bytes of a frame, as the version before wrote them. */
function olderFrame(kind: 'A' | 'B' | 'L', id: string, instantMs: number, about: number, text: string): Buffer {
  const fixed = Buffer.alloc(14)
  fixed.write(kind, 0)
  fixed.writeDoubleLE(instantMs, 1)
  fixed.writeUInt32LE(about, 9)
  fixed[13] = id.length
  const body = Buffer.concat([fixed, Buffer.from(id), Buffer.from(text)])
  const head = Buffer.alloc(8)
  head.writeUInt32LE(body.length, 0)
  head.writeUInt32LE(crc32(body), 4)
  return Buffer.concat([head, body])
}

function olderSegment(records: readonly UsageRecord[], isOpen: readonly UsageRecord[] = []): Buffer {
  const encoder = createUsageEncoder()
  const abouts = new Set<number>()
  const frames = isOpen.map((record) => olderFrame('B', record.id, record.startedAtMs, 0, JSON.stringify(record)))
  for (const record of records) {
    const { about, line } = encoder.encode(record)
    if (!abouts.has(about.number))
      frames.push(olderFrame('A', '', 0, about.number, about.text.replace(/,[^,]*,2\)"$/, ')"')))
    abouts.add(about.number)
    frames.push(olderFrame('L', record.id, endedAtMs(record), about.number, line.replace(/(?:,[^,]*){4},2\)"$/, ')"')))
  }
  return Buffer.concat(frames)
}

/** A folder of the version before; returns its id. */
function olderFolder(name: string, segments: readonly Buffer[]): string {
  const [path, id] = [join(root, name), randomUUID()]
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'id'), id)
  segments.forEach((bytes, n) => writeFileSync(join(path, `${String(n + 1).padStart(16, '0')}.seg`), bytes))
  return id
}

function open(folder = root): Spool {
  return openSpool({ root: folder, encoder: createUsageEncoder(), log })
}

async function shipAll(spool: Spool): Promise<void> {
  const store = createUsageStore(database.db)
  await reportSpool(spool, store)
  await adoptUsageProgress(database.db, spool.id, spool.adoptedIds)
  const shipper = startShipper({ spool, store, log })
  await until(() => spool.state().pending === 0, { timeoutMs: 30_000 })
  expect(await shipper.stop(30_000)).toBe(true)
}

async function outcomes(): Promise<Record<string, number>> {
  const { rows } = await sql<{ outcome: string; requests: number }>`
    select outcome, sum(requests)::bigint as requests from usage_rollup join usage_dimension on key = dimension
    where layer = 0 group by outcome`.execute(database.db)
  return Object.fromEntries(rows.map(({ outcome, requests }) => [outcome, requests]))
}

test('records of the version before are shipped, with those of this one, and their files go', async () => {
  const records = Array.from({ length: 30 }, (_, n) => usageRecord({ routeName: `route-${n % 3}` }))
  const id = olderFolder('0', [olderSegment(records.slice(0, 20)), olderSegment(records.slice(20))])
  using spool = open()
  expect(spool.id).toBe(id)
  expect(spool.state()).toMatchObject({ pending: 30, lost: 0 })
  spool.append(usageRecord(), null, () => {})
  await shipAll(spool)
  expect(await outcomes()).toEqual({ OK: 31 })
  await until(() => !existsSync(join(root, '0', '0000000000000001.seg')))
  expect(await countAllLostRequests(database.db)).toBe(0)
})

test('what the version before was killed with is cut off, or gets its record, and counts once over more kills', async () => {
  const records = Array.from({ length: 12 }, () => usageRecord())
  const whole = olderSegment(records, [records[0]!, usageRecord()])
  olderFolder('0', [whole.subarray(0, whole.length - 5)])
  const crash = mkdtempSync(join(tmpdir(), 'signalbox-older-'))
  try {
    {
      using spool = open()
      expect(spool.state()).toMatchObject({ pending: 12, lost: 0 })
      cpSync(root, crash, { recursive: true })
      await shipAll(spool)
    }
    using again = open(crash)
    await shipAll(again)
  } finally {
    rmSync(crash, { recursive: true })
  }
  expect(await outcomes()).toEqual({ OK: 11, GATEWAY_ERROR: 1 })
})

test('one changed byte in a file of the version before costs one record, which is told', async () => {
  const records = Array.from({ length: 9 }, () => usageRecord())
  const whole = olderSegment(records)
  const at = whole.indexOf(records[4]!.id)
  whole[at + 40] = whole[at + 40]! ^ 1
  olderFolder('0', [whole])
  using spool = open()
  await shipAll(spool)
  expect(await outcomes()).toEqual({ OK: 8 })
  expect(await countAllLostRequests(database.db)).toBe(1)
})

test('folders of the version before are adopted, and those that it had adopted are waited for no more', async () => {
  const own = olderFolder('0', [olderSegment([usageRecord()])])
  const other = olderFolder('1', [olderSegment([usageRecord(), usageRecord()])])
  // It moved the files of what it adopted, and noted the id until the database knew.
  const earlier = randomUUID()
  writeFileSync(join(root, '0', `adopted-${earlier}`), '')
  for (const spoolId of [own, other, earlier])
    await reportUsageProgress(database.db, { spoolId, completeUntilMs: 0, pending: 1, lost: 0 })
  using spool = open()
  await shipAll(spool)
  spool.forgetAdopted()
  expect(await outcomes()).toEqual({ OK: 3 })
  const waitedFor = await database.db.selectFrom('usage_progress').select(['spool_id', 'pending']).execute()
  expect(waitedFor).toEqual([{ spool_id: own, pending: 0 }])
  expect(readdirSync(join(root, '0')).filter((name) => name.startsWith('adopted-'))).toEqual([])
})
