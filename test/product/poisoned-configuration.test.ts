/** What this version cannot serve is refused, whoever wrote it: the last good configuration stays, also over a restart. */
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/storage/database/database.ts'
import { openTestDatabase } from '../support/database.ts'
import { type Product, startProduct } from '../support/product.ts'
import { openUpstream } from '../support/upstream.ts'
import { until } from '../support/until.ts'

const encryptionKey = '7'.repeat(64)
let opened: AsyncDisposableStack
let database: Database

beforeEach(async () => {
  opened = new AsyncDisposableStack()
  database = opened.use(await openTestDatabase())
})
afterEach(() => opened.disposeAsync())

const start = async (dataDir?: string) =>
  opened.use(
    await startProduct({
      env: { DATABASE_URL: database.url, SIGNALBOX_ENCRYPTION_KEY: encryptionKey },
      ...(dataDir !== undefined && { dataDir }),
    }),
  )

async function setUp(product: Product): Promise<string> {
  const upstream = opened.use(await openUpstream({ name: 'llama' }))
  await product.graphql.change(
    `mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { route { name } userErrors { message } } }`,
    { input: { name: 'llama', endpoints: [{ url: upstream.baseUrl }], secret: 'sk-of-llama' } },
  )
  const { secret } = await product.graphql.change<{ secret: string }>(
    `mutation { apiKeyCreate(input: { name: "first" }) { secret userErrors { message } } }`,
    {},
  )
  return secret
}

async function ask({ gatewayUrl }: Product, secret: string): Promise<number> {
  const answer = await fetch(`${gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'llama', messages: [{ role: 'user', content: 'Who are you?' }] }),
  })
  await answer.text()
  return answer.status
}

/** As a newer version, or somebody by hand, would commit it. */
async function commit(ids: readonly string[]): Promise<void> {
  await sql`
    with next as (update config_version set version = version + 1, committed_at = clock_timestamp() returning *)
    insert into config_change (version, token, committed_at, actor_id, subject_ids)
    select version, token, committed_at, 'by hand', ${[...ids]}::text[] from next`.execute(database.db)
}

async function refused({ apiUrl, adminKey }: Product): Promise<string | undefined> {
  const answer = await fetch(`${apiUrl}/metrics`, { headers: { authorization: `Bearer ${adminKey}` } })
  return /^signalbox_config_refused (\d)$/m.exec(await answer.text())?.[1]
}

interface Status {
  readonly configStatus: { readonly version: number; readonly appliedVersion: number }
}

const readStatus = async ({ graphql }: Product) =>
  (await graphql.request<Status>('{ configStatus { version appliedVersion } }', {})).configStatus

async function idOf(table: 'route' | 'deployment'): Promise<string> {
  const { rows } = await sql<{ id: string }>`select id from ${sql.table(table)}`.execute(database.db)
  return rows[0]!.id
}

test(
  'a word of a newer version is refused and told; what was good serves on, and follows when it is mended',
  { timeout: 120_000 },
  async () => {
    const product = await start()
    const secret = await setUp(product)
    expect(await refused(product)).toBe('0')
    const id = await idOf('deployment')
    await sql`alter table deployment drop constraint if exists deployment_engine_check`.execute(database.db)
    await sql`update deployment set engine = 'ENGINE_OF_LATER'`.execute(database.db)
    await commit([id])
    await until(async () => (await refused(product)) === '1')
    expect(await ask(product, secret)).toBe(200)
    const { version, appliedVersion } = await readStatus(product)
    expect(appliedVersion).toBeLessThan(version)
    expect(product.output()).toContain('"ENGINE_OF_LATER')

    await sql`update deployment set engine = 'VLLM'`.execute(database.db)
    await commit([id])
    await until(async () => (await refused(product)) === '0')
    await until(async () => {
      const status = await readStatus(product)
      return status.appliedVersion === status.version
    })
    expect(await ask(product, secret)).toBe(200)
  },
)

test(
  'a gateway that starts beside a configuration that does not compile, or with newer migrations, serves the last good one',
  { timeout: 120_000 },
  async () => {
    const product = await start()
    const secret = await setUp(product)
    await sql`update route_target set weight = 0`.execute(database.db)
    await commit([await idOf('route')])
    await until(async () => (await refused(product)) === '1')
    expect(await ask(product, secret)).toBe(200)
    await product.kill9()

    const second = await start(product.dataDir)
    expect(await ask(second, secret)).toBe(200)
    expect(second.output()).toContain('does not compile')
    await second.kill9()

    await sql`update route_target set weight = 1`.execute(database.db)
    await sql`insert into migration (name, checksum) values ('9000_of_later.sql', '')`.execute(database.db)
    const third = await start(product.dataDir)
    expect(await ask(third, secret)).toBe(200)
    expect(third.output()).toContain('9000_of_later.sql')
    await third.kill9()
  },
)
