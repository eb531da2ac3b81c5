/** A full disk under the spool: a real file system of 256 KiB, which only root may mount. */
import { appendFileSync, chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { clientConfig } from '../../src/storage/database/database.ts'
import { openTestDatabase } from '../support/database.ts'
import { type Product, startProduct } from '../support/product.ts'
import { readScrape } from '../support/prometheus.ts'
import { mountSmallDisk } from '../support/small-disk.ts'
import { until } from '../support/until.ts'
import { readRequestLogs, untilNothingPends } from '../support/usage-api.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'

let opened: AsyncDisposableStack
let dataDir: string
let spool: string
let isSmall: boolean

beforeEach(() => {
  opened = new AsyncDisposableStack()
  dataDir = mkdtempSync(join(tmpdir(), 'sbx-full-'))
  chmodSync(dataDir, 0o755)
  opened.defer(() => rmSync(dataDir, { recursive: true, force: true }))
  spool = join(dataDir, 'spool')
  const disk = mountSmallDisk(spool, '256k')
  isSmall = disk !== undefined
  if (disk) opened.use(disk)
})

afterEach(() => opened.disposeAsync())

test(
  'a full disk stops no request; what is not on disk is told, and written again when there is room',
  { timeout: 240_000 },
  async ({ skip }) => {
    skip(!isSmall, 'a small file system can be mounted by root alone')
    const upstream = opened.use(await openUpstream({ name: 'llama' }))
    const { url } = opened.use(await openTestDatabase({ migrated: false }))
    const env = { DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: '3'.repeat(64) }
    const product = opened.use(await startProduct({ env, dataDir }))
    await setUp(product, upstream)
    const served = [await ask(product)]

    // The database takes all at once: from memory. The first of them may find room on the last page of a file.
    fill(spool)
    for (let i = 0; i < 60; i++) served.push(await ask(product))
    await untilNothingPends(product.graphql)
    expect(await loggedIds(product)).toEqual(served.toSorted())
    expect(complaints(product)).not.toEqual([])

    // It takes none: they wait in memory, and everybody may know.
    const table = opened.use(await lockUsage(url))
    for (let i = 0; i < 20; i++) served.push(await ask(product))
    await until(async () => (await pendingRecords(product)) >= 20)
    const full = await scrape(product)
    expect(full.sum('signalbox_spool_unsafe_records')).toBeGreaterThan(10)
    expect(full.sum('signalbox_spool_pending_records')).toBe(20)
    expect(full.sum('signalbox_spool_lost_records_total')).toBe(0)

    // Room again, and then the database too.
    rmSync(fillerIn(spool))
    served.push(await ask(product))
    await until(() => product.logs().some(({ msg }) => msg === 'the spool is written again'))
    await table.release()
    await untilNothingPends(product.graphql)
    expect(await loggedIds(product)).toEqual(served.toSorted())
    expect((await scrape(product)).sum('signalbox_spool_unsafe_records')).toBe(0)
    await until(async () => (await pendingRecords(product)) === 0)
  },
)

test('a gateway starts on a full disk, and ships what it left there', { timeout: 240_000 }, async ({ skip }) => {
  skip(!isSmall, 'a small file system can be mounted by root alone')
  const upstream = opened.use(await openUpstream({ name: 'llama' }))
  const { url } = opened.use(await openTestDatabase({ migrated: false }))
  const env = { DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: '3'.repeat(64) }
  const first = opened.use(await startProduct({ env, dataDir }))
  await setUp(first, upstream)
  const table = opened.use(await lockUsage(url))
  const served: string[] = []
  for (let i = 0; i < 10; i++) served.push(await ask(first))
  fill(spool)
  await first.kill9()
  await table.release()

  const second = opened.use(await startProduct({ env, dataDir }))
  for (let i = 0; i < 10; i++) served.push(await ask(second))
  await untilNothingPends(second.graphql)
  expect(await loggedIds(second)).toEqual(served.toSorted())
})

test(
  'what a killed gateway had in memory alone, because the disk was full, is told by the next one, once',
  { timeout: 300_000 },
  async ({ skip }) => {
    skip(!isSmall, 'a small file system can be mounted by root alone')
    const upstream = opened.use(await openUpstream({ name: 'llama' }))
    const { url } = opened.use(await openTestDatabase({ migrated: false }))
    const env = { DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: '3'.repeat(64) }
    const first = opened.use(await startProduct({ env, dataDir }))
    await setUp(first, upstream)
    const table = opened.use(await lockUsage(url))
    fill(spool)
    const served: string[] = []
    for (let i = 0; i < 15; i++) served.push(await ask(first))
    await first.kill9()
    await table.endOthers()
    await table.release()

    const second = opened.use(await startProduct({ env, dataDir }))
    await untilNothingPends(second.graphql)
    const missing = served.length - (await loggedIds(second)).length
    expect(missing).toBeGreaterThan(10)
    const lost = { ofRange: missing, ofGateways: missing }
    expect(await lostRequests(second)).toEqual(lost)
    // Another start, this one in order, changes nothing; and what waits now is written when there is room, though nothing new comes.
    await second.stop()
    const third = opened.use(await startProduct({ env, dataDir }))
    expect(await lostRequests(third)).toEqual(lost)
    const again = opened.use(await lockUsage(url))
    for (let i = 0; i < 15; i++) served.push(await ask(third))
    rmSync(fillerIn(spool))
    await until(async () => (await scrape(third)).sum('signalbox_spool_unsafe_records') === 0)
    await third.kill9()
    await again.release()
    const fourth = opened.use(await startProduct({ env, dataDir }))
    await untilNothingPends(fourth.graphql)
    expect(await loggedIds(fourth)).toHaveLength(served.length - missing)
    expect(await lostRequests(fourth)).toEqual(lost)
  },
)

async function lostRequests({ graphql }: Product) {
  const read = () =>
    graphql.request<{
      usage: { lostRequests: number }
      configStatus: { gateways: { lostUsageRecords: number; state: string }[] }
    }>(`{ usage(range: { from: "2020-01-01T00:00:00Z" }) { lostRequests }
    configStatus { gateways { lostUsageRecords state } } }`)
  // The one that was killed had the same spool, and counts as live for three seconds.
  const { usage, live } = await until(async () => {
    const { usage, configStatus } = await read()
    const live = configStatus.gateways.filter(({ state }) => state === 'LIVE')
    return live.length === 1 && { usage, live }
  })
  return { ofRange: usage.lostRequests, ofGateways: live[0]!.lostUsageRecords }
}

const fillerIn = (path: string) => join(path, 'filler')

function fill(path: string): void {
  writeFileSync(fillerIn(path), '')
  for (const size of [4096, 1]) {
    try {
      for (;;) appendFileSync(fillerIn(path), Buffer.alloc(size))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
}

async function setUp({ graphql }: Product, upstream: Upstream): Promise<void> {
  await graphql.change(
    `mutation ($url: URL!) { deploymentCreate(input: { name: "llama", endpoints: [{ url: $url }] }) {
      userErrors { code path message }
    } }`,
    { url: upstream.baseUrl },
  )
}

/** Returns its `x-request-id`. */
async function ask({ gatewayUrl, adminKey }: Product): Promise<string> {
  const response = await fetch(`${gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'llama', messages: [] }),
  })
  expect({ status: response.status, body: await response.text() }).toMatchObject({ status: 200 })
  return response.headers.get('x-request-id')!
}

/** Nothing can be inserted until it is released; all else goes on. */
async function lockUsage(
  url: string,
): Promise<AsyncDisposable & { release(): Promise<void>; endOthers(): Promise<unknown> }> {
  const client = new Client(clientConfig(url))
  await client.connect()
  await client.query('begin')
  await client.query('lock table usage_record in share mode')
  let ended: Promise<void> | undefined
  const release = () => (ended ??= client.end())
  // What waits for the table does not happen later either.
  const endOthers = () =>
    client.query(`select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`)
  return { release, endOthers, [Symbol.asyncDispose]: release }
}

async function loggedIds({ graphql }: Product): Promise<string[]> {
  return (await readRequestLogs(graphql)).map(({ id }) => id).toSorted()
}

async function pendingRecords({ graphql }: Product): Promise<number> {
  const { configStatus } = await graphql.request<{
    configStatus: { gateways: { pendingUsageRecords: number }[] }
  }>(`{ configStatus { gateways { pendingUsageRecords } } }`)
  return configStatus.gateways.reduce((sum, { pendingUsageRecords }) => sum + pendingUsageRecords, 0)
}

async function scrape({ apiUrl, adminKey }: Product) {
  const headers = { authorization: `Bearer ${adminKey}` }
  return readScrape(await (await fetch(`${apiUrl}/metrics`, { headers })).text())
}

function complaints(product: Product) {
  return product.logs().filter(({ msg }) => msg?.startsWith('the spool cannot be written'))
}
