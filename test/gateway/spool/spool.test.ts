import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs, {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { SpoolBatch } from '../../../src/gateway/spool/batches-in-flight.ts'
import { openSpool, type Spool, type SpoolOptions } from '../../../src/gateway/spool/spool.ts'
import { monotonicMs } from '../../../src/gateway/loop/monotonic.ts'
import type { OpenRequest } from '../../../src/gateway/ports.ts'
import { endedAtMs, type UsageRecord } from '../../../src/routing/usage/record.ts'
import { createJsonEncoder, openRequest, readRecords } from '../../support/spooled-usage.ts'
import { until } from '../../support/until.ts'
import { usageRecord } from '../../support/usage-record.ts'

let root: string
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), 'signalbox-spool-'))))
afterEach(() => rmSync(root, { recursive: true }))

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

function open(options: Partial<SpoolOptions> = {}): Spool {
  return openSpool({ root, encoder: createJsonEncoder(), log, ...options })
}

function append(spool: Spool, record: UsageRecord, opened: OpenRequest | null = null): Promise<void> {
  return new Promise((resolve) => spool.append(record, opened, resolve))
}

/** All that there is to ship, in batches of this size. */
function shipAll(spool: Spool, batchSize = 7): UsageRecord[] {
  const shipped: UsageRecord[] = []
  for (let batch = spool.take(batchSize); batch; batch = spool.take(batchSize)) {
    shipped.push(...readRecords(batch.records))
    batch.commit()
  }
  return shipped
}

function segmentsOf(folder = '0'): string[] {
  return readdirSync(join(root, folder)).filter((name) => name.endsWith('.seg'))
}

test('records come out in order, as they went in, once', async () => {
  using spool = open()
  const records = Array.from({ length: 20 }, () => usageRecord({ requestedModel: 'mit Umlaut ä 模型 🙂' }))
  await Promise.all(records.map((record) => append(spool, record)))
  expect(spool.state()).toMatchObject({ pending: 20, unsafe: 0, lost: 0 })
  expect(shipAll(spool)).toEqual(records)
  expect(shipAll(spool)).toEqual([])
  expect(spool.state().pending).toBe(0)
})

test('a batch that could not be delivered comes again', async () => {
  using spool = open()
  const record = usageRecord()
  await append(spool, record)
  const batch = spool.take(10)!
  expect(spool.take(10)).toBeNull()
  batch.putBack()
  expect(shipAll(spool)).toEqual([record])
})

test('batches that are out together are noted in their order; what was taken after one that comes again comes again too', async () => {
  using spool = open()
  const records = Array.from({ length: 6 }, () => usageRecord())
  for (const record of records) await append(spool, record)
  const [first, second, third] = [spool.take(2)!, spool.take(2)!, spool.take(2)!]
  expect([first, second, third].flatMap((batch) => readRecords(batch.records))).toEqual(records)
  third.commit()
  expect(spool.state().pending).toBe(6)
  first.commit()
  expect(spool.state().pending).toBe(4)
  second.putBack()
  expect(shipAll(spool)).toEqual(records.slice(2))
})

test('what was not shipped is there for the next process', async () => {
  const records = Array.from({ length: 5 }, () => usageRecord())
  {
    using spool = open()
    for (const record of records) await append(spool, record)
  }
  using spool = open()
  expect(spool.state().pending).toBe(5)
  expect(shipAll(spool, 2)).toEqual(records)
})

test('a spool that was shipped to its end leaves no segment', async () => {
  {
    using spool = open()
    await append(spool, usageRecord())
    shipAll(spool)
  }
  await until(() => segmentsOf().length === 0)
})

test('a shipped segment that cannot be deleted may come again: its run is still told', async () => {
  {
    using earlier = open()
    await append(earlier, usageRecord())
  }
  using spool = open()
  const [name] = segmentsOf()
  const runId = name!.slice(17, -4)
  // Nobody deletes a folder as if it were a file.
  rmSync(join(root, '0', name!))
  mkdirSync(join(root, '0', name!))
  shipAll(spool)
  await append(spool, usageRecord())
  shipAll(spool)
  expect(spool.state().runIds).toContain(runId)
  rmSync(join(root, '0', name!), { recursive: true })
})

test('more than memory may hold is read again from disk, and nothing is twice or out of order', async () => {
  using spool = open({ maxInMemory: 10, maxSegmentBytes: 5_000 })
  const records = Array.from({ length: 100 }, () => usageRecord())
  for (const record of records.slice(0, 60)) await append(spool, record)
  const shipped = [...shipAll(spool, 3)]
  for (const record of records.slice(60)) await append(spool, record)
  shipped.push(...shipAll(spool, 3))
  expect(shipped).toEqual(records)
  await until(() => segmentsOf().length <= 1)
})

test('whatever is appended, shipped, put back and reopened in whatever order: everything arrives, what was shipped stays shipped', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ kind: fc.constantFrom('take' as const, 'ship' as const), count: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ kind: fc.constantFrom('putBack' as const, 'reopen' as const, 'open' as const), count: fc.nat(3) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const own = mkdtempSync(join(root, 'case-'))
      const reopen = () =>
        openSpool({ root: own, encoder: createJsonEncoder(), log, maxInMemory: 5, maxSegmentBytes: 3_000 })
      let spool = reopen()
      const appended: string[] = []
      const shipped = new Set<string>()
      const out: SpoolBatch[] = []
      for (const { kind, count } of steps) {
        if (kind === 'append') {
          const records = Array.from({ length: count }, (_, n) => usageRecord({ routeName: `route-${n % 3}` }))
          appended.push(...records.map((record) => record.id))
          await Promise.all(records.map((record) => append(spool, record)))
        } else if (kind === 'open') spool.open(openRequest(usageRecord({ id: `req_open${appended.length}` })))
        else if (kind === 'reopen') {
          spool[Symbol.dispose]()
          out.length = 0
          spool = reopen()
        } else if (kind === 'take') {
          const batch = spool.take(count)
          if (batch) out.push(batch)
        } else {
          const [batch] = out.splice(count % Math.max(1, out.length), 1)
          if (kind === 'putBack') batch?.putBack()
          else {
            for (const record of batch ? readRecords(batch.records) : []) shipped.add(record.id)
            batch?.commit()
          }
        }
      }
      for (const batch of out) batch.putBack()
      for (const record of shipAll(spool)) shipped.add(record.id)
      expect([...shipped].filter((id) => !id.startsWith('req_open')).sort()).toEqual(appended.toSorted())
      expect(spool.state()).toMatchObject({ pending: 0, lost: 0 })
      spool[Symbol.dispose]()
    }),
    { numRuns: 60 },
  )
})

describe('after a crash', () => {
  test('the torn end of a segment is cut off, and what is before it stays', async () => {
    const records = [usageRecord(), usageRecord()]
    {
      using spool = open()
      for (const record of records) await append(spool, record)
    }
    const path = join(root, '0', segmentsOf()[0]!)
    const whole = statSync(path).size
    appendFileSync(path, Buffer.from([90, 1, 0, 0, 7, 7, 7, 7, 0x52]))
    {
      using spool = open()
      expect(statSync(path).size).toBe(whole)
      expect(spool.state().pending).toBe(2)
    }
    truncateSync(path, whole - 1)
    using spool = open()
    expect(shipAll(spool)).toEqual(records.slice(0, 1))
  })

  test('requests that had begun get a record, those that ended do not get a second one', async () => {
    const [finished, dropped] = [usageRecord(), usageRecord({ startedAtMs: Date.now() - 60_000 })]
    {
      using spool = open()
      const opened = openRequest(finished)
      spool.open(opened)
      spool.open(openRequest(dropped))
      await until(() => segmentsOf().length === 1)
      await append(spool, finished, opened)
    }
    // As the death of the process leaves it, and whoever is next too.
    for (let crash = 0; crash < 2; crash++) {
      using spool = open()
      expect(spool.state().pending).toBe(2)
    }
    using spool = open()
    const [first, second] = shipAll(spool)
    expect(first).toEqual(finished)
    expect(second).toMatchObject({ id: dropped.id, outcome: 'GATEWAY_ERROR', routeName: 'chat', tokens: null })
    expect(second!.durationMs).toBeGreaterThanOrEqual(60_000)
  })

  test.for([40, -40])(
    'a request that was cut off ended when its process did, by the ledger, %i days from what its machine says',
    async (days) => {
      const crash = mkdtempSync(join(tmpdir(), 'signalbox-spool-'))
      try {
        using spool = open()
        const ledgerMs = Date.now() + days * 86_400_000
        spool.clock.follow(ledgerMs, monotonicMs())
        // It began by the machine's clock, and nobody has asked since how the spool is.
        spool.open(openRequest(usageRecord({ startedAtMs: Date.now() })))
        await until(() => segmentsOf().length === 1)
        cpSync(root, crash, { recursive: true, preserveTimestamps: true })
        using again = openSpool({ root: crash, encoder: createJsonEncoder(), log })
        const [cutOff] = shipAll(again)
        expect(cutOff!.outcome).toBe('GATEWAY_ERROR')
        expect(Math.abs(endedAtMs(cutOff!) - ledgerMs)).toBeLessThan(60_000)
        expect(cutOff!.durationMs).toBeLessThan(60_000)
      } finally {
        rmSync(crash, { recursive: true })
      }
    },
  )

  test('a request in flight is found although the segment that it began in is gone', async () => {
    const long = usageRecord({ startedAtMs: Date.now() })
    {
      using spool = open({ maxSegmentBytes: 2_000 })
      spool.open(openRequest(long))
      await until(() => segmentsOf().length === 1)
      for (let n = 0; n < 20; n++) await append(spool, usageRecord())
      shipAll(spool)
      await until(() => segmentsOf().length === 1 && segmentsOf()[0] !== '0000000000000001.seg')
    }
    using spool = open()
    expect(shipAll(spool).filter((record) => record.outcome === 'GATEWAY_ERROR')).toMatchObject([{ id: long.id }])
  })

  test('killed at any moment, no record that was said to be written is lost', { timeout: 60_000 }, async () => {
    for (let round = 0; round < 5; round++) {
      const writer = spawn(process.execPath, [join(import.meta.dirname, 'spool-writer.ts'), root], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const written: string[] = []
      const lines = createInterface({ input: writer.stdout })
      lines.on('line', (line) => {
        written.push(line)
        if (written.length === 200 + round * 150) writer.kill('SIGKILL')
      })
      await Promise.all([once(writer, 'exit'), once(lines, 'close')])
      using spool = open()
      const found = new Set(shipAll(spool, 500).map((record) => record.id))
      expect(written.filter((id) => !found.has(id))).toEqual([])
    }
  })
})

describe('processes that share a spool', () => {
  test('have a folder each', () => {
    using one = open()
    using two = open()
    expect(one.id).not.toBe(two.id)
    expect(readdirSync(root)).toEqual(['0', '1'])
  })

  test('get what others left that are gone, once, and in whose name', async () => {
    const records = Array.from({ length: 3 }, () => usageRecord())
    const one = open()
    const two = open()
    const idOfTwo = two.id
    await append(one, records[0]!)
    await append(two, records[1]!)
    two[Symbol.dispose]()
    using three = open()
    expect(three.id).toBe(idOfTwo)
    expect(three.adoptedIds).toEqual([])
    three[Symbol.dispose]()
    one[Symbol.dispose]()
    const untold = open()
    expect(untold.adoptedIds).toEqual([idOfTwo])
    untold[Symbol.dispose]()
    using next = open()
    expect(next.adoptedIds).toEqual([idOfTwo])
    next.forgetAdopted()
    expect(readdirSync(join(root, '0')).filter((name) => name.startsWith('adopted'))).toEqual([])
    expect(shipAll(next).map((record) => record.id)).toEqual([records[0]!.id, records[1]!.id])
    using other = open()
    expect(other.id).not.toBe(idOfTwo)
    expect(shipAll(other)).toEqual([])
  })
})

describe('when the disk is full', () => {
  test('requests go on, records are shipped from memory, and writing begins again when there is room', async () => {
    using spool = open({ maxBytes: 3_000, maxSegmentBytes: 1_000 })
    const records = Array.from({ length: 10 }, () => usageRecord())
    for (const record of records) await append(spool, record)
    expect(spool.state()).toMatchObject({ pending: 10, lost: 0 })
    expect(spool.state().unsafe).toBeGreaterThan(0)
    expect(shipAll(spool)).toEqual(records)
    await append(spool, usageRecord())
    expect(spool.state()).toMatchObject({ pending: 1, unsafe: 0, lost: 0 })
  })

  test('what neither disk nor memory can hold is counted as lost', async () => {
    using spool = open({ maxBytes: 3_000, maxSegmentBytes: 1_000, maxInMemory: 5 })
    for (let n = 0; n < 10; n++) await append(spool, usageRecord())
    const { pending, lost } = spool.state()
    expect(pending + lost).toBe(10)
    expect(lost).toBeGreaterThan(0)
    expect(shipAll(spool)).toHaveLength(pending)
    expect(spool.state()).toMatchObject({ pending: 0, lost })
  })
})

describe('complete until', () => {
  test('is before the end of each record that waits, in memory and on disk', async () => {
    using spool = open({ maxInMemory: 2 })
    const now = Date.now()
    await append(spool, usageRecord({ startedAtMs: now - 90_000, durationMs: 1_000 }))
    await append(spool, usageRecord({ startedAtMs: now - 50_000, durationMs: 1_000 }))
    expect(spool.state().completeUntilMs).toBe(now - 89_000)
    await append(spool, usageRecord({ startedAtMs: now - 70_000, durationMs: 1_000 }))
    expect(spool.state().completeUntilMs).toBe(now - 89_000)
    shipAll(spool)
    expect(spool.state().completeUntilMs).toBeGreaterThanOrEqual(now - 1_000)
    expect(spool.state().completeUntilMs).toBeLessThan(Date.now())
  })
})

describe('what the disk changed', () => {
  const wholes = () => Array.from({ length: 5 }, (_, n) => usageRecord({ routeName: `route-${n % 2}` }))

  async function spoolOf(records: readonly UsageRecord[]): Promise<Buffer> {
    {
      using spool = open()
      for (const record of records) await append(spool, record)
    }
    return readFileSync(onlySegment())
  }

  const onlySegment = () => join(root, '0', segmentsOf()[0]!)

  test('one changed byte, wherever it is, costs no other record than its own, and what it costs is told', async () => {
    const records = wholes()
    const whole = await spoolOf(records)
    const path = onlySegment()
    const ids = records.map(({ id }) => id)
    // The whole length of each field and a part of each text: each place of a frame is met.
    for (let at = 0; at < whole.length; at += at % 11 === 0 ? 1 : 10) {
      const damaged = Buffer.from(whole)
      damaged[at] = damaged[at]! ^ 0x55
      writeFileSync(path, damaged)
      const spool = open()
      const found = shipAll(spool).map(({ id }) => id)
      expect(found).toEqual(ids.filter((id) => found.includes(id)))
      expect(found.length).toBeGreaterThanOrEqual(records.length - 1)
      expect({ at, lost: spool.state().lost }).toEqual({ at, lost: records.length - found.length })
      expect(spool.state()).toMatchObject({ pending: 0 })
      // As if killed: what is on disk stays as it is.
      const copy = damaged
      spool[Symbol.dispose]()
      await until(() => segmentsOf().length === 0)
      rmSync(join(root, '0', 'unsafe'), { force: true })
      writeFileSync(path, copy)
    }
  })

  test('bytes that change while the process lives cost what they were, and nothing waits for ever', async () => {
    using spool = open({ maxInMemory: 2 })
    const records = wholes()
    for (const record of records) await append(spool, record)
    const bytes = readFileSync(onlySegment())
    const at = bytes.indexOf(records[3]!.id)
    bytes[at + 30] = bytes[at + 30]! ^ 1
    writeFileSync(onlySegment(), bytes)
    expect(shipAll(spool)).toEqual(records.filter((_, n) => n !== 3))
    expect(spool.state()).toMatchObject({ pending: 0, lost: 1 })
    expect(spool.state().completeUntilMs).toBeGreaterThan(Date.now() - 5_000)
  })

  test('a page of zeros in the middle costs the records that were there, as many as their numbers say', async () => {
    const records = Array.from({ length: 40 }, () => usageRecord())
    const whole = await spoolOf(records)
    whole.fill(0, 8_192, 12_288)
    writeFileSync(onlySegment(), whole)
    using spool = open()
    const found = shipAll(spool)
    expect(found.length).toBeGreaterThan(20)
    expect(spool.state()).toMatchObject({ pending: 0, lost: records.length - found.length })
  })

  test('zeros at the end, where the length of a file came to the disk and its bytes did not, are told', async () => {
    const whole = await spoolOf(wholes())
    writeFileSync(onlySegment(), Buffer.concat([whole, Buffer.alloc(3_000)]))
    using spool = open()
    expect(shipAll(spool)).toHaveLength(wholes().length)
    expect(spool.state()).toMatchObject({ pending: 0, lost: 1 })
  })

  describe('that the disk cannot read', () => {
    const { readSync } = fs
    afterEach(() => {
      fs.readSync = readSync
      syncBuiltinESMExports()
    })

    /** As a disk does it that has a bad place: whatever would read of it fails. */
    function breakAt(from: number, to: number): void {
      fs.readSync = ((descriptor: number, buffer: Buffer, offset: number, length: number, position: number) => {
        if (position === null || position >= to || position + length <= from)
          return readSync(descriptor, buffer, offset, length, position)
        throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })
      }) as typeof readSync
      syncBuiltinESMExports()
    }

    test('costs the records that were there at the next start, and no other', async () => {
      const records = Array.from({ length: 40 }, () => usageRecord())
      await spoolOf(records)
      breakAt(8_500, 8_600)
      using spool = open()
      const found = shipAll(spool)
      expect(found.length).toBeGreaterThan(20)
      expect(spool.state()).toMatchObject({ pending: 0, lost: records.length - found.length })
    })

    test('holds up no other record while the process lives', async () => {
      using spool = open({ maxInMemory: 2 })
      const records = Array.from({ length: 40 }, () => usageRecord())
      for (const record of records) await append(spool, record)
      breakAt(8_500, 8_600)
      const found = shipAll(spool)
      expect(found.length).toBeGreaterThan(20)
      expect(spool.state()).toMatchObject({ pending: 0, lost: records.length - found.length })
    })
  })

  test('a damage that is found again counts the same', async () => {
    const whole = await spoolOf(wholes())
    whole[whole.length - 20] = whole[whole.length - 20]! ^ 1
    writeFileSync(onlySegment(), whole)
    const losses = new Map<string, number>()
    for (let crash = 0; crash < 3; crash++) {
      using spool = open()
      for (const { source, minuteMs, requests } of spool.state().losses) losses.set(`${source} ${minuteMs}`, requests)
    }
    expect([...losses.values()]).toEqual([1])
  })
})

describe('what is not on disk', () => {
  /** A disk that is full when the test says so. */
  function openOn(disk: { full: boolean }, options: Partial<SpoolOptions> = {}): Spool {
    return openSpool({
      root,
      encoder: createJsonEncoder(),
      log,
      ...options,
      get maxBytes() {
        return disk.full ? 0 : 1e9
      },
    })
  }

  test('waits in memory while a backlog is shipped from disk, and arrives', async () => {
    const records = Array.from({ length: 20 }, () => usageRecord())
    {
      using spool = open()
      for (const record of records.slice(0, 10)) await append(spool, record)
    }
    const disk = { full: true }
    using spool = openOn(disk)
    for (const record of records.slice(10)) await append(spool, record)
    expect(spool.state()).toMatchObject({ pending: 20, unsafe: 10, lost: 0 })
    expect(new Set(shipAll(spool, 3).map(({ id }) => id))).toEqual(new Set(records.map(({ id }) => id)))
    expect(spool.state()).toMatchObject({ pending: 0, unsafe: 0, lost: 0 })
  })

  test('is lost one by one beyond the bound of memory, and the others stay', async () => {
    const disk = { full: true }
    using spool = openOn(disk, { maxInMemory: 8 })
    const records = Array.from({ length: 11 }, () => usageRecord())
    for (const record of records) await append(spool, record)
    expect(spool.state()).toMatchObject({ pending: 8, unsafe: 8, lost: 3 })
    expect(shipAll(spool)).toEqual(records.slice(0, 8))
  })

  test('is written as soon as there is room, though no new record comes', async () => {
    const disk = { full: true }
    const records = Array.from({ length: 13 }, () => usageRecord())
    using spool = openOn(disk)
    for (const record of records) await append(spool, record)
    disk.full = false
    await until(() => spool.state().unsafe === 0)
    expect(spool.state()).toMatchObject({ pending: 13, lost: 0 })
    cpSync(join(root, '0'), join(root, 'killed', '0'), { recursive: true })
    using next = openSpool({ root: join(root, 'killed'), encoder: createJsonEncoder(), log })
    expect(shipAll(next)).toEqual(records)
  })

  test('is written although it is on its way: an insert may hang for long', async () => {
    const disk = { full: true }
    using spool = openOn(disk)
    const records = Array.from({ length: 6 }, () => usageRecord())
    for (const record of records) await append(spool, record)
    const [arrives, comesBack] = [spool.take(2)!, spool.take(2)!]
    disk.full = false
    await until(() => spool.state().unsafe === 0)
    expect(spool.state().pending).toBe(6)
    comesBack.putBack()
    arrives.commit()
    expect(spool.state()).toMatchObject({ pending: 6, unsafe: 0 })
    // The store knows the first two by their numbers.
    expect(shipAll(spool)).toEqual(records)
    expect(spool.state()).toMatchObject({ pending: 0, lost: 0 })
  })

  test('is written at the end, those on their way too', async () => {
    const disk = { full: true }
    const records = Array.from({ length: 5 }, () => usageRecord())
    const spool = openOn(disk)
    for (const record of records) await append(spool, record)
    const batch = spool.take(2)!
    disk.full = false
    spool[Symbol.dispose]()
    batch.commit()
    using next = open()
    expect(shipAll(next)).toEqual(records)
  })

  test('is told by the next process if it died with the one before, once', async () => {
    const disk = { full: true }
    using spool = openOn(disk)
    for (let n = 0; n < 7; n++) await append(spool, usageRecord())
    cpSync(join(root, '0'), join(root, 'killed', '0'), { recursive: true })
    const openKilled = () => openSpool({ root: join(root, 'killed'), encoder: createJsonEncoder(), log })
    const first = openKilled()
    expect(first.state()).toMatchObject({ pending: 0, lost: 7 })
    const { losses } = first.state()
    first[Symbol.dispose]()
    using second = openKilled()
    expect(second.state().losses).toEqual(losses)
    second.noteReported(second.state().losses, Date.now(), performance.now())
    second[Symbol.dispose]()
    using third = openKilled()
    expect(third.state()).toMatchObject({ lost: 0, losses: [] })
  })

  test('holds back what is complete, also on its way and when it comes back', async () => {
    const disk = { full: true }
    using spool = openOn(disk, { maxInMemory: 4 })
    const old = usageRecord({ startedAtMs: Date.now() - 90_000, durationMs: 1_000 })
    await append(spool, old)
    const batch = spool.take(10)!
    for (let n = 0; n < 6; n++) await append(spool, usageRecord({ startedAtMs: Date.now() - 100 }))
    expect(spool.state()).toMatchObject({ completeUntilMs: old.startedAtMs + 1_000, lost: 3 })
    batch.putBack()
    expect(spool.state()).toMatchObject({ completeUntilMs: old.startedAtMs + 1_000, lost: 3 })
    shipAll(spool)
    expect(spool.state().completeUntilMs).toBeGreaterThan(Date.now() - 5_000)
    expect(spool.state().lost).toBe(3)
  })

  test('requests that a crash cut off get their record although the disk is full when the next process starts', async () => {
    {
      using spool = open()
      spool.open(openRequest(usageRecord({ id: 'req_cut_off' })))
      await until(() => segmentsOf().length === 1)
    }
    using spool = openOn({ full: true })
    expect(shipAll(spool)).toMatchObject([{ id: 'req_cut_off', outcome: 'GATEWAY_ERROR' }])
    expect(spool.state()).toMatchObject({ pending: 0, lost: 0 })
  })
})

test('a folder whose adopter died at once is adopted whole: a request has one record', async () => {
  const ended = usageRecord({ startedAtMs: Date.now() - 1_000 })
  const [one, two] = [open(), open({ maxSegmentBytes: 1_500 })]
  const opened = openRequest(ended)
  two.open(opened)
  await until(() => segmentsOf('1').length === 1)
  for (let n = 0; n < 10; n++) await append(two, usageRecord())
  await append(two, ended, opened)
  expect(segmentsOf('1').length).toBeGreaterThan(2)
  two[Symbol.dispose]()
  one[Symbol.dispose]()
  // The first one adopts the other's folder and dies; whoever comes next finds all of it in one place.
  open()[Symbol.dispose]()
  using third = open()
  using fourth = open()
  const all = [...shipAll(third), ...shipAll(fourth)]
  expect(all).toHaveLength(11)
  expect(all.filter(({ id }) => id === ended.id)).toEqual([ended])
})
