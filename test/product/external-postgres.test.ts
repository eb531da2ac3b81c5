/** The product on PostgreSQL servers as operators have them: TLS with client certificates, several hosts, full, slow, restarted. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type ExternalPostgres,
  hasOpenssl,
  installedServers,
  openExternalPostgres,
} from '../support/external-postgres.ts'
import { type Product, runProduct, startProduct } from '../support/product.ts'
import { until } from '../support/until.ts'
import { readRequestLogs, untilNothingPends } from '../support/usage-api.ts'
import { openUpstream } from '../support/upstream.ts'

const isHere = installedServers.length > 0 && hasOpenssl
if (!isHere)
  process.stderr.write('SKIPPED: no PostgreSQL or openssl is installed (Debian: apt-get install postgresql openssl)\n')

const encryptionKey = '7'.repeat(64)
let opened: AsyncDisposableStack
beforeEach(() => {
  opened = new AsyncDisposableStack()
})
afterEach(() => opened.disposeAsync())

const envOf = (url: string) => ({ DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: encryptionKey })

async function openModel(product: Product): Promise<void> {
  const upstream = opened.use(await openUpstream({ name: 'llama' }))
  await product.graphql.change(
    `mutation ($url: URL!) { deploymentCreate(input: { name: "llama", endpoints: [{ url: $url }] }) { userErrors { message code path } } }`,
    { url: upstream.baseUrl },
  )
}

async function ask({ gatewayUrl, adminKey }: Product): Promise<number> {
  const answer = await fetch(`${gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'llama', messages: [{ role: 'user', content: 'Hello' }] }),
  })
  await answer.arrayBuffer()
  return answer.status
}

const countLogged = async ({ graphql }: Product) => (await readRequestLogs(graphql)).length

describe.skipIf(!isHere)('an external PostgreSQL', () => {
  test.for(installedServers.map(({ version, bin }) => [version, bin] as const))(
    'of version %s carries the product: serve, usage, doctor, backup and restore',
    async ([, bin]) => {
      const server = opened.use(await openExternalPostgres(bin))
      const env = envOf(server.url)
      const product = opened.use(await startProduct({ env }))
      await openModel(product)
      expect(await ask(product)).toBe(200)
      await untilNothingPends(product.graphql)
      const folder = await mkdtemp(join(tmpdir(), 'sbx-external-backup-'))
      opened.defer(() => rm(folder, { recursive: true, force: true }))
      const file = join(folder, 'backup')
      expect(await runProduct({ args: ['backup', file], env })).toMatchObject({ code: 0 })
      const { output } = await runProduct({
        args: ['doctor', '--json'],
        env: { ...env, SIGNALBOX_API_PORT: '0', SIGNALBOX_GATEWAY_PORT: '0', SIGNALBOX_DATA_DIR: product.dataDir },
      })
      const { findings } = JSON.parse(output.split('\n').at(-1)!) as { findings: { check: string; state: string }[] }
      expect(findings.filter(({ state }) => state === 'fail')).toEqual([])
      await server.administer('create database other owner signalbox')
      const other = { ...env, DATABASE_URL: server.url.replace(/signalbox$/, 'other') }
      expect(await runProduct({ args: ['restore', file], env: other })).toMatchObject({ code: 0 })
      expect((await runProduct({ args: ['logs', '--json'], env: other })).output).toContain('"routeName":"llama"')
    },
  )

  test('that wants client certificates is served with one of its authority, and no other', async () => {
    const hba = 'hostssl all all all cert clientcert=verify-full\nhostnossl all all all reject'
    const server = opened.use(await openExternalPostgres(installedServers[0]!.bin, { hba }))
    const parameters = (client: string, ca = 'ca.pem') =>
      `?sslmode=verify-full&sslrootcert=${join(server.folder, ca)}&sslcert=${join(server.folder, `${client}.pem`)}&sslkey=${join(server.folder, `${client}.key`)}`
    const product = opened.use(await startProduct({ env: envOf(server.url + parameters('client')) }))
    await openModel(product)
    expect(await ask(product)).toBe(200)
    await untilNothingPends(product.graphql)
    expect(await countLogged(product)).toBe(1)

    const refused = async (query: string) => {
      const { code, output } = await runProduct({ args: ['migrate'], env: envOf(server.url + query) })
      return { code, output }
    }
    expect(await refused('')).toMatchObject({ code: 1, output: expect.stringContaining('sslmode=require') })
    const unknownAuthority = await refused(parameters('client', 'other.pem'))
    expect(unknownAuthority).toMatchObject({ code: 1, output: expect.stringContaining('sslrootcert') })
    expect((await refused(parameters('stranger'))).code).not.toBe(0)
    expect(unknownAuthority.output).not.toContain('PRIVATE KEY')
  })

  test('behind a host that is read-only is found by every connection', async () => {
    const { bin } = installedServers[0]!
    const standby = opened.use(await openExternalPostgres(bin))
    await standby.administer('alter system set default_transaction_read_only = on')
    await standby.restart()
    const primary = opened.use(await openExternalPostgres(bin))
    const url = `postgres://signalbox@localhost:${standby.port},localhost:${primary.port}/signalbox`
    const product = opened.use(await startProduct({ env: envOf(url) }))
    await openModel(product)
    expect(await ask(product)).toBe(200)
    await untilNothingPends(product.graphql)
    expect(await countLogged(product)).toBe(1)
  })

  test('is restarted, becomes read-only, and full, while requests go on; usage is whole afterwards', async () => {
    const server = opened.use(await openExternalPostgres(installedServers[0]!.bin))
    const product = opened.use(await startProduct({ env: envOf(server.url) }))
    await openModel(product)
    expect(await ask(product)).toBe(200)
    let asked = 1
    const serveThrough = async (begin: () => Promise<void>, end: () => Promise<void>) => {
      await begin()
      for (let n = 0; n < 5; n++, asked++) expect(await ask(product)).toBe(200)
      await untilPending(product)
      await end()
      await until(async () => (await countLogged(product).catch(() => -1)) === asked)
      // The API changes what it could before.
      await until(() =>
        openRoute(product, `route-${asked}`).then(
          () => true,
          () => false,
        ),
      )
    }
    await serveThrough(
      () => setReadOnly(server, 'on'),
      () => setReadOnly(server, 'off'),
    )
    await serveThrough(
      () => server.administer(fullDisk, 'signalbox'),
      () => server.administer('drop trigger full_disk on usage_record; drop function full_disk()', 'signalbox'),
    )
    await Promise.all([server.restart(), ask(product).then((status) => expect(status).toBe(200))])
    asked++
    await until(async () => (await countLogged(product).catch(() => -1)) === asked)
    expect(product.logs().filter(({ msg }) => msg?.includes('a fault of the program'))).toEqual([])
  })
})

/** What a full disk makes of a statement that writes: SQLSTATE 53100. */
const fullDisk = `
  create function full_disk() returns trigger language plpgsql as
    $$ begin raise 'could not extend file: No space left on device' using errcode = '53100'; end $$;
  create trigger full_disk before insert on usage_record for each row execute function full_disk()`

async function setReadOnly(server: ExternalPostgres, state: 'on' | 'off'): Promise<void> {
  await server.administer(`alter system set default_transaction_read_only = ${state}`)
  await server.administer('select pg_reload_conf()')
}

/** Until the gateway knows that records wait. */
async function untilPending({ apiUrl, adminKey }: Product): Promise<void> {
  await until(async () => {
    const page = await (await fetch(`${apiUrl}/metrics`, { headers: { authorization: `Bearer ${adminKey}` } })).text()
    return Number(/^signalbox_spool_pending_records (\d+)$/m.exec(page)?.[1] ?? 0) >= 5
  })
}

function openRoute({ graphql }: Product, name: string): Promise<unknown> {
  return graphql.change(
    `mutation ($name: String!) { routeCreate(input: { name: $name, targets: [{ backend: { deployment: "llama" } }] }) {
      userErrors { message code path } } }`,
    { name },
  )
}
