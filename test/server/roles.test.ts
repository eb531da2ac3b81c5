/** Processes with one of the planes: what each has, and that both together are the whole product. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { clientConfig } from '../../src/storage/database/database.ts'
import { gatewayTableGrants, withheldTables } from '../../src/storage/gateway/grants.ts'
import { openTestDatabase } from '../support/database.ts'
import { type Product, runProduct, startProduct } from '../support/product.ts'
import { until } from '../support/until.ts'
import { openUpstream } from '../support/upstream.ts'

const encryptionKey = '5'.repeat(64)

let opened: AsyncDisposableStack

beforeEach(() => {
  opened = new AsyncDisposableStack()
})
afterEach(() => opened.disposeAsync())

async function openEmptyDatabase(): Promise<{ url: string; env: Record<string, string> }> {
  const { url } = opened.use(await openTestDatabase({ migrated: false }))
  return { url, env: { DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: encryptionKey } }
}

async function start(env: Readonly<Record<string, string>>): Promise<Product> {
  return opened.use(await startProduct({ env }))
}

async function openModels() {
  const [one, two] = [await openUpstream({ name: 'one' }), await openUpstream({ name: 'two' })]
  return { one: opened.use(one), two: opened.use(two) }
}

/** A route `chat` that goes to `one`, and a key that may use it. */
async function setUp({ graphql }: Product, models: Awaited<ReturnType<typeof openModels>>) {
  for (const [name, { baseUrl }] of Object.entries(models))
    await graphql.change(
      `mutation ($name: String!, $url: URL!) {
        deploymentCreate(input: { name: $name, endpoints: [{ url: $url }] }) { userErrors { message } }
      }`,
      { name, url: baseUrl },
    )
  await graphql.change(`mutation { routeCreate(input: {
    name: "chat", targets: [{ backend: { deployment: "one" }, weight: 1 }, { backend: { deployment: "two" }, weight: 0 }]
  }) { userErrors { message } } }`)
  const { secret } = await graphql.change<{ secret: string }>(
    `mutation { apiKeyCreate(input: { name: "application" }) { secret userErrors { message } } }`,
  )
  return secret
}

/** All traffic of `chat` to this one. */
function switchTo({ graphql }: Product, backend: 'one' | 'two') {
  const [one, two] = backend === 'one' ? [1, 0] : [0, 1]
  return graphql.change(`mutation { routeTrafficSet(input: {
    route: { name: "chat" }, waitFor: APPLIED,
    weights: [{ target: { deployment: "one" }, weight: ${one} }, { target: { deployment: "two" }, weight: ${two} }]
  }) { applied userErrors { message } } }`)
}

async function ask(gateway: Product, key: string): Promise<string> {
  const answer = await fetch(`${gateway.gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'chat', messages: [] }),
  })
  await answer.arrayBuffer()
  return answer.status === 200 ? (answer.headers.get('x-signalbox-backend') ?? '') : `status ${answer.status}`
}

describe('a gateway', () => {
  test('has no GraphQL and no control code in its process', async () => {
    const { env } = await openEmptyDatabase()
    const folder = await mkdtemp(join(tmpdir(), 'sbx-modules-'))
    opened.defer(() => rm(folder, { recursive: true, force: true }))
    const list = join(folder, 'modules')
    const note = `import { registerHooks } from 'node:module'; import { appendFileSync } from 'node:fs'
      registerHooks({ load(url, context, next) { appendFileSync(${JSON.stringify(list)}, url + '\\n'); return next(url, context) } })`
    await start({ ...env, SIGNALBOX_ROLE: 'control' })
    await start({
      ...env,
      SIGNALBOX_ROLE: 'gateway',
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(note)}`,
    })
    const modules = (await readFile(list, 'utf8')).split('\n')
    expect(modules.filter((url) => url.includes('/src/gateway/'))).not.toEqual([])
    expect(
      modules.filter((url) => /\/src\/(?:control|graphql)\/|\/node_modules\/(?:@pothos|graphql)/.test(url)),
    ).toEqual([])
  })

  test('needs the database of a control process', async () => {
    const { code, output } = await runProduct({ args: ['serve', '--role', 'gateway'] })
    expect([code, output]).toEqual([1, expect.stringContaining('DATABASE_URL must be set with SIGNALBOX_ROLE=gateway')])
  })

  test('waits until another process has migrated the database, and says so', async () => {
    const { env } = await openEmptyDatabase()
    const starting = startProduct({ env: { ...env, SIGNALBOX_ROLE: 'gateway' } })
    const database = new Client(clientConfig(env['DATABASE_URL']!))
    await database.connect()
    opened.defer(() => database.end())
    const asks = `select 1 from pg_stat_activity where datname = current_database() and query like '%from migration%'
      and pid <> pg_backend_pid()`
    await until(async () => (await database.query(asks)).rows.length > 0)
    const tables = await database.query(`select 1 from pg_tables where schemaname = 'public'`)
    expect(tables.rows).toEqual([])
    await runProduct({ args: ['migrate'], env })
    const gateway = opened.use(await starting)
    expect(gateway.output()).toContain('The database lacks migrations of this version')
    expect((await fetch(`${gateway.gatewayUrl}/readyz`)).status).toBe(200)
  })
})

describe('a control process beside gateways', () => {
  test('has no gateway, is none of them, and sees what they do', async () => {
    const { env } = await openEmptyDatabase()
    const control = await start({ ...env, SIGNALBOX_ROLE: 'control' })
    const gateways = [
      await start({ ...env, SIGNALBOX_ROLE: 'gateway' }),
      await start({ ...env, SIGNALBOX_ROLE: 'gateway' }),
    ]
    expect([control.gatewayUrl, ...gateways.map(({ apiUrl }) => apiUrl)]).toEqual(['', '', ''])
    const models = await openModels()
    const key = await setUp(control, models)
    await until(async () => (await Promise.all(gateways.map((gateway) => ask(gateway, key)))).join() === 'one,one')
    await switchTo(control, 'two')
    expect(await Promise.all(gateways.map((gateway) => ask(gateway, key)))).toEqual(['two', 'two'])
    const seen = await control.graphql.request<{ configStatus: { gateways: { id: string }[] } }>(
      '{ configStatus { gateways { id } } }',
    )
    expect(seen.configStatus.gateways).toHaveLength(2)
    await until(async () => {
      const { requestLogs } = await control.graphql.request<{ requestLogs: { edges: unknown[] } }>(
        '{ requestLogs(first: 100) { edges { node { id } } } }',
      )
      return requestLogs.edges.length >= 4
    })
    const metrics = await fetch(`${control.apiUrl}/metrics`, {
      headers: { authorization: `Bearer ${control.adminKey}` },
    })
    expect(await metrics.text()).toContain('signalbox_gateways 2')
  })

  test('its console chats by the gateway that it was told of, and says what to set while it knows none', async () => {
    const { env } = await openEmptyDatabase()
    const control = await start({ ...env, SIGNALBOX_ROLE: 'control' })
    const gateway = await start({ ...env, SIGNALBOX_ROLE: 'gateway' })
    const told = await start({ ...env, SIGNALBOX_ROLE: 'control', SIGNALBOX_GATEWAY_URL: `${gateway.gatewayUrl}/v1` })
    const key = await setUp(control, await openModels())
    await until(async () => (await ask(gateway, key)) === 'one')
    const chat = (at: Product) =>
      fetch(`${at.apiUrl}/console/try`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'chat', messages: [] }),
      })
    const unknown = await chat(control)
    expect([unknown.status, await unknown.text()]).toEqual([503, expect.stringContaining('SIGNALBOX_GATEWAY_URL')])
    const answer = await chat(told)
    await answer.arrayBuffer()
    expect([answer.status, answer.headers.get('x-signalbox-backend')]).toEqual([200, 'one'])
  })
})

describe('the database user of a gateway', () => {
  test('may serve, follow, and write usage; no configuration, and no history of it', { timeout: 120_000 }, async () => {
    const { url, env } = await openEmptyDatabase()
    const control = await start({ ...env, SIGNALBOX_ROLE: 'control' })
    const user = `gateway_${randomBytes(4).toString('hex')}`
    const owner = new Client(clientConfig(url))
    await owner.connect()
    opened.defer(async () => {
      await owner.query(`drop owned by ${user}; drop role ${user}`)
      await owner.end()
    })
    const { output: grants } = await runProduct({ args: ['grants', '--user', user] })
    // Twice: it is run again after each upgrade.
    await owner.query(grants)
    await owner.query(grants)

    const limited = new URL(url.replace('@/', '@localhost/'))
    limited.username = user
    limited.searchParams.set('user', user)
    const limitedUrl = limited.href.replace('@localhost/', '@/')
    const models = await openModels()
    const key = await setUp(control, models)
    const gateway = await start({ ...env, DATABASE_URL: limitedUrl, SIGNALBOX_ROLE: 'gateway' })
    expect(await ask(gateway, key)).toBe('one')
    await switchTo(control, 'two')
    expect(await ask(gateway, key)).toBe('two')
    // A day for which nobody has made a partition.
    await owner.query(`do $$ declare name text; begin
      for name in select c.relname from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = 'usage_record'::regclass
      loop execute format('drop table %I', name); end loop; end $$`)
    expect(await ask(gateway, key)).toBe('two')
    await until(async () => (await owner.query('select 1 from usage_record')).rows.length >= 1)
    await until(
      async () =>
        (await owner.query('select last_used_at from api_key where last_used_at is not null')).rows.length >= 1,
    )
    expect(
      gateway
        .logs()
        .filter(({ level }) => Number(level) >= 40)
        .map(({ msg, err }) => ({ msg, err })),
    ).toEqual([])

    const stolen = new Client(clientConfig(limitedUrl))
    await stolen.connect()
    opened.defer(() => stolen.end())
    const may = async (statement: string) =>
      stolen.query(statement).then(
        () => true,
        (error: { code?: string }) => (error.code === '42501' ? false : Promise.reject(error as Error)),
      )
    expect(await may('select hash from api_key')).toBe(true)
    for (const statement of [
      `update api_key set hash = ''`,
      `update api_key set expires_at = null, last_used_at = now()`,
      `insert into app_user (id, name, role) values ('usr_1', 'thief', 'ADMIN')`,
      `update route set state = 'DISABLED'`,
      `delete from route_target`,
      `update config_version set version = version + 1`,
      `update installation set encryption_key_id = 'mine'`,
      'select cursor_key from installation',
      'select actor_id from config_change',
      'select * from audit_entry',
      'select * from route_revision',
      'select * from idempotency_key',
      'select requested_model from usage_record',
      'delete from usage_rollup',
      'drop table route',
      'truncate usage_record',
      `create table usage_record_2026_01_01_mine ()`,
    ])
      expect([statement, await may(statement)]).toEqual([statement, false])
    await expect(stolen.query(`select create_usage_partition('1999-01-01')`)).rejects.toThrow('no usage is kept')
  })

  test('is told about every table: it has rights on it, or none on purpose', async () => {
    await using database = await openTestDatabase()
    const { rows } = await sql<{ name: string }>`
      select relname as name from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition`.execute(database.db)
    const known = [...Object.keys(gatewayTableGrants), ...withheldTables]
    expect(rows.map(({ name }) => name).sort()).toEqual(known.sort())
  })
})
