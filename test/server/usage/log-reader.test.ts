/** The request log is followed over a restart of its database. */
import { expect, test } from 'vitest'
import { openLogReader } from '../../../src/server/usage/log-reader.ts'
import { tailRequests } from '../../../src/server/usage/request-tail.ts'
import { createUsagePartitions } from '../../../src/storage/usage/ledger/partitions.ts'
import { insertUsageRecords } from '../../../src/storage/usage/ledger/insert.ts'
import { readConfig } from '../../../src/server/configuration/config.ts'
import { openTestDatabase } from '../../support/database.ts'
import { openDatabaseProxy } from '../../support/database-proxy.ts'
import { usageRecord } from '../../support/usage-record.ts'

test('what ends while the database is away is shown when it is back, once, and the wait is told once', async () => {
  await using database = await openTestDatabase()
  await using proxy = await openDatabaseProxy(database.url)
  const end = async () => {
    const record = usageRecord({ startedAtMs: Date.now() })
    await createUsagePartitions(database.db, [record.startedAtMs])
    await insertUsageRecords(database.db, [record])
    return record.id
  }
  const told: string[] = []
  const waiting = Promise.withResolvers<void>()
  const warn = (_: object, message: string) => {
    told.push(message)
    waiting.resolve()
  }
  const { config } = readConfig({ DATABASE_URL: proxy.url, SIGNALBOX_ENCRYPTION_KEY: '1'.repeat(64) })
  await using reader = await openLogReader(config, {}, { follows: true, log: { warn, error: warn, debug: warn } })
  const stop = new AbortController()
  const shown = tailRequests(reader, { since: null, limit: 10, follow: stop.signal })
  const before = await end()
  expect(await shown.next()).toMatchObject({ value: { id: before } })
  proxy.cut()
  const next = shown.next()
  await waiting.promise
  const meanwhile = await end()
  proxy.restore()
  expect(await next).toMatchObject({ value: { id: meanwhile } })
  const afterwards = await end()
  expect(await shown.next()).toMatchObject({ value: { id: afterwards } })
  expect(told).toEqual(['the database is away; waiting for it'])
  stop.abort()
  expect(await shown.next()).toMatchObject({ done: true })
})

test('without following a database that is away is an error', async () => {
  await using database = await openTestDatabase()
  await using proxy = await openDatabaseProxy(database.url)
  proxy.cut()
  const { config } = readConfig({ DATABASE_URL: proxy.url, SIGNALBOX_ENCRYPTION_KEY: '1'.repeat(64) })
  const log = { warn: () => {}, error: () => {}, debug: () => {} }
  await using reader = await openLogReader(config, {}, { follows: false, log })
  await expect(reader.read({ endedFrom: new Date(0), known: [], limit: 1 })).rejects.toMatchObject({
    message: expect.any(String),
  })
})
