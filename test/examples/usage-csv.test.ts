import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createUsagePartitions } from '../../src/storage/usage/ledger/partitions.ts'
import { insertUsageRecords } from '../../src/storage/usage/ledger/insert.ts'
import type { Database } from '../../src/storage/database/database.ts'
import { openTestDatabase } from '../support/database.ts'
import { hasPrograms, runExample } from '../support/examples.ts'
import { type Product, startProduct } from '../support/product.ts'
import { usageRecord } from '../support/usage-record.ts'

describe.runIf(hasPrograms('python3'))('examples/python/usage_csv.py', () => {
  let database: Database
  let product: Product
  beforeAll(async () => {
    database = await openTestDatabase()
    // In Berlin the 25th of October 2026 has 25 hours: from 22:00 to 23:00 of the next day in UTC.
    const instants = ['2026-10-24T21:59:59', '2026-10-24T22:00:00', '2026-10-25T22:59:59', '2026-10-25T23:00:00']
    const records = instants.map((at) => usageRecord({ startedAtMs: Date.parse(`${at}Z`), durationMs: 0 }))
    const comma = usageRecord({
      startedAtMs: Date.parse('2026-10-25T12:00:00Z'),
      routeName: 'a route',
      routeId: 'rte_2',
      backendLabel: 'a "model", quoted',
      backendId: 'dep_2',
      cost: null,
    })
    await createUsagePartitions(
      database.db,
      [...records, comma].map(({ startedAtMs }) => startedAtMs),
    )
    await insertUsageRecords(database.db, [...records, comma])
    product = await startProduct({ env: { DATABASE_URL: database.url, SIGNALBOX_ENCRYPTION_KEY: '9'.repeat(64) } })
  })
  afterAll(async () => {
    await product.stop()
    await database[Symbol.asyncDispose]()
  })

  const run = (...args: string[]) => runExample(product, 'python/usage_csv.py', { args })
  const head = 'day,route,model,requests,failures,fallbacks,inputTokens,cachedInputTokens,outputTokens,cost'

  test('a day has the requests of its time zone, also where the clocks change', async () => {
    expect(await run('--day', '2026-10-25', '--zone', 'Europe/Berlin')).toEqual({
      code: 0,
      stderr: '',
      stdout: [
        head,
        '2026-10-25,chat,llama,2,0,0,20,8,10,0.0000345',
        '2026-10-25,a route,"a ""model"", quoted",1,0,0,10,4,5,',
        '',
      ].join('\r\n'),
    })
  })

  test('without a day it is yesterday', async () => {
    const yesterday = await run('--zone', 'Asia/Kolkata')
    expect(yesterday).toMatchObject({ code: 0, stdout: `${head}\r\n` })
  })

  test('a day that is not over yet is not written', async () => {
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)
    const { code, stdout, stderr } = await run('--day', tomorrow)
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toMatch(/^Usage is complete until .*Z, the day ends at /)
  })

  test('a time zone that nobody knows is a wrong argument', async () => {
    const { code, stderr } = await run('--zone', 'Nowhere')
    expect(code).toBe(2)
    expect(stderr).toContain('knows no time zone Nowhere')
  })
})
