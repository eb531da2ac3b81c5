import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createDeployment } from '../../../src/control/deployment/create.ts'
import { readConfig } from '../../../src/server/configuration/config.ts'
import { examine } from '../../../src/server/doctor/examine.ts'
import type { Finding } from '../../../src/server/doctor/finding.ts'
import { createLog } from '../../../src/server/log/log.ts'
import { administrator, openTestControl, type TestControl } from '../../support/control.ts'
import { openDatabaseProxy } from '../../support/database-proxy.ts'
import { openTestDatabase } from '../../support/database.ts'
import { hasPgBouncer, openPgBouncer } from '../../support/pgbouncer.ts'
import { runProduct, startProduct } from '../../support/product.ts'

const log = createLog({ level: 'silent' })
const key = randomBytes(32).toString('base64')
let folder: string
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'signalbox-doctor-'))))
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))

const settingsOf = (url: string) => ({
  DATABASE_URL: url,
  SIGNALBOX_ENCRYPTION_KEY: key,
  SIGNALBOX_DATA_DIR: folder,
  SIGNALBOX_API_PORT: '0',
  SIGNALBOX_GATEWAY_PORT: '0',
})

const look = (url: string, more: Readonly<Record<string, string>> = {}) =>
  examine(readConfig({ ...settingsOf(url), ...more }).config, log, '1.0.0')

/** What is not well, and the state of it. */
const faultsOf = (findings: readonly Finding[]) =>
  Object.fromEntries(findings.flatMap(({ check, state }) => (state === 'ok' ? [] : [[check, state]])))

async function addDeployment(control: TestControl, secret?: string): Promise<void> {
  const input = { name: 'llama', endpoints: [{ url: 'http://10.1.2.3:8000/v1' }], ...(secret && { secret }) }
  const answer = await createDeployment(control, administrator, input)
  if (!answer.ok) throw new Error(JSON.stringify(answer))
}

test('a healthy installation has no fault, and each finding that is one says what to do', async () => {
  await using control = await openTestControl()
  await addDeployment(control)
  const findings = await look(control.url)
  expect(faultsOf(findings)).toEqual({})
  expect(findings.map(({ check }) => check)).toEqual(
    expect.arrayContaining(['node', 'data-folder', 'data-folder.space', 'port.api', 'port.gateway', 'database.clock']),
  )
  expect(findings.map(({ check }) => check)).toEqual(
    expect.arrayContaining(['database.migrations', 'encryption-key', 'configuration', 'upstreams', 'gateways']),
  )
  const faulty = await look(control.url, { SIGNALBOX_UPSTREAM_ALLOW: '192.0.2.0/24' })
  expect(faultsOf(faulty)).toEqual({ upstreams: 'fail' })
  expect(faulty.filter(({ state, advice }) => state !== 'ok' && !advice)).toEqual([])
  expect(faulty.find(({ check }) => check === 'upstreams')?.text).toContain('llama (http://10.1.2.3:8000)')
})

test('a secret that the key of here does not open is found, and so is a key that is another one', async () => {
  await using control = await openTestControl()
  await addDeployment(control, 'sk-very-secret')
  expect(faultsOf(await look(control.url))).toEqual({ configuration: 'fail' })
  await sql`update installation set encryption_key_id = '0123456789abcdef'`.execute(control.db)
  expect(faultsOf(await look(control.url))).toEqual({ 'encryption-key': 'fail' })
})

test('a database that is away, lacks migrations, has newer ones, or is read-only', async () => {
  await using control = await openTestControl()
  await using proxy = await openDatabaseProxy(control.url)
  proxy.cut()
  expect(faultsOf(await look(proxy.url))).toEqual({ database: 'fail' })

  await using empty = await openTestDatabase({ migrated: false })
  expect(faultsOf(await look(empty.url))).toEqual({ 'database.migrations': 'warn' })

  await sql`insert into migration (name, checksum) values ('9000_of_later.sql', '')`.execute(control.db)
  const newer = await look(control.url)
  expect(faultsOf(newer)).toEqual({ 'database.migrations': 'fail' })
  expect(newer.find(({ state }) => state === 'fail')?.text).toContain('9000_of_later.sql')

  await sql`delete from migration where name = '9000_of_later.sql'`.execute(control.db)
  const { pathname } = new URL(control.url)
  await sql`alter database ${sql.id(pathname.slice(1))} set default_transaction_read_only = on`.execute(control.db)
  expect(faultsOf(await look(control.url))).toEqual({ 'database.write': 'fail' })
})

test('a configuration that does not compile is found, with the object that is wrong', async () => {
  await using control = await openTestControl()
  await addDeployment(control)
  await sql`update route_target set weight = 0`.execute(control.db)
  const findings = await look(control.url)
  expect(faultsOf(findings)).toEqual({ configuration: 'fail' })
  expect(findings.find(({ state }) => state === 'fail')?.text).toContain('targets')
})

test('a port that another program has, and a port of a running Signalbox', async () => {
  await using database = await openTestDatabase()
  const stranger = createServer((socket) => socket.end('220 hello\r\n')).listen(0, '127.0.0.1')
  await once(stranger, 'listening')
  const port = String((stranger.address() as AddressInfo).port)
  expect(faultsOf(await look(database.url, { SIGNALBOX_GATEWAY_PORT: port }))).toEqual({ 'port.gateway': 'fail' })
  stranger.close()

  await using product = await startProduct({ env: settingsOf(database.url), dataDir: folder })
  const ports = {
    SIGNALBOX_API_PORT: new URL(product.apiUrl).port,
    SIGNALBOX_GATEWAY_PORT: new URL(product.gatewayUrl).port,
  }
  const { code, output } = await runProduct({
    args: ['doctor', '--json'],
    env: { ...settingsOf(database.url), ...ports },
  })
  const { findings } = JSON.parse(output) as { findings: Finding[] }
  expect({ faults: faultsOf(findings), code }).toEqual({ faults: {}, code: 0 })
  expect(findings.find(({ check }) => check === 'gateways')?.text).toContain('1 process is live')
})

test('a data folder that others can write, and a last good snapshot that is damaged', async () => {
  await using database = await openTestDatabase()
  await writeFile(join(folder, 'last-good-snapshot'), 'no snapshot')
  await chmod(folder, 0o777)
  expect(faultsOf(await look(database.url))).toEqual({ 'data-folder': 'warn', 'last-good-snapshot': 'warn' })
})

test('a folder that cannot be made, and settings that make no sense, end with exit code 1', async () => {
  await writeFile(join(folder, 'file'), '')
  const settings = {
    SIGNALBOX_DATA_DIR: join(folder, 'file', 'data'),
    SIGNALBOX_API_PORT: '0',
    SIGNALBOX_GATEWAY_PORT: '0',
  }
  const blocked = await runProduct({ args: ['doctor'], env: settings })
  expect(blocked.code).toBe(1)
  expect(blocked.output).toContain('fail  data-folder:')
  const senseless = await runProduct({ args: ['doctor', '--json'], env: { SIGNALBOX_API_PORT: 'many' } })
  expect(senseless.code).toBe(1)
  expect(JSON.parse(senseless.output)).toMatchObject({ findings: [{ check: 'settings', state: 'fail' }] })
})

test('an embedded database without its key is found, and nothing is made in an empty folder', async () => {
  const embedded = readConfig({
    SIGNALBOX_DATA_DIR: folder,
    SIGNALBOX_API_PORT: '0',
    SIGNALBOX_GATEWAY_PORT: '0',
  }).config
  expect(faultsOf(await examine(embedded, log, '1.0.0'))).toEqual({})
  expect(await readdir(folder)).toEqual([])
  await mkdir(join(folder, 'postgres'))
  await writeFile(join(folder, 'postgres', 'PG_VERSION'), '18\n')
  expect(faultsOf(await examine(embedded, log, '1.0.0'))).toEqual({ 'encryption-key': 'fail' })
})

test.runIf(hasPgBouncer)('a pooler is found, and its mode', { timeout: 60_000 }, async () => {
  await using database = await openTestDatabase()
  for (const [mode, faults] of [
    ['session', {}],
    ['transaction', { 'database.pooler': 'warn' }],
  ] as const) {
    await using pooler = await openPgBouncer(database.url, mode)
    expect(faultsOf(await look(pooler.url))).toEqual(faults)
  }
  await using pooler = await openPgBouncer(database.url, 'transaction')
  const named = await look(pooler.url, { SIGNALBOX_DATABASE_NAMED_STATEMENTS: 'true' })
  expect(faultsOf(named)).toEqual({ 'database.pooler': 'fail' })
})
