import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EmbeddedPostgres, openEmbeddedPostgres } from '../../../src/server/postgres/embedded-postgres.ts'
import { openDatabase } from '../../../src/storage/database/database.ts'
import { openDatabaseProxy } from '../../support/database-proxy.ts'

const main = join(import.meta.dirname, '../../../src/main.ts')
const secret = 'hunter2'

let folder: string
let postgres: EmbeddedPostgres
let socketFolder: string
/** Takes connections and says nothing, as a firewall that drops what is sent. */
let silent: Server
const sockets = new Set<Socket>()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-first-start-'))
  postgres = await openEmbeddedPostgres({ dataDir: join(folder, 'server') })
  socketFolder = new URL(postgres.url).searchParams.get('host') ?? ''
  await requirePasswordOf('alice')
  silent = createServer((socket) => void sockets.add(socket.on('error', () => undefined))).listen(0, '127.0.0.1')
  await once(silent, 'listening')
}, 60_000)

afterAll(async () => {
  silent.close()
  sockets.forEach((socket) => socket.destroy())
  await postgres[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true, maxRetries: 10 })
})

async function requirePasswordOf(user: string): Promise<void> {
  const hba = join(folder, 'server/postgres/pg_hba.conf')
  await writeFile(hba, `local all ${user} scram-sha-256\n${await readFile(hba, 'utf8')}`)
  await using database = openDatabase({ url: postgres.url })
  await sql`create role alice login password 'right'`.execute(database.db)
  await sql`select pg_reload_conf()`.execute(database.db)
}

function start(databaseUrl: string) {
  const child = spawn(process.execPath, [main, 'serve'], {
    env: {
      DATABASE_URL: databaseUrl,
      SIGNALBOX_ENCRYPTION_KEY: '1'.repeat(64),
      SIGNALBOX_DATA_DIR: join(folder, 'data'),
      SIGNALBOX_API_PORT: '0',
      SIGNALBOX_GATEWAY_PORT: '0',
    },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (output += bytes.toString()))
  return { child, output: () => output, ended: once(child, 'exit') }
}

const onSocket = (user: string, database: string) =>
  `postgres://${user}@/${database}?host=${encodeURIComponent(socketFolder)}`
const onPort = (port: number, host = '127.0.0.1') => `postgres://signalbox:${secret}@${host}:${port}/signalbox`

describe('what waiting does not mend ends the start, and names the variable', () => {
  test.each([
    ['a wrong password', () => onSocket(`alice:${secret}`, 'postgres'), 'does not accept the user and password'],
    ['no password', () => onSocket('alice', 'postgres'), 'the URL has none'],
    ['an unknown user', () => onSocket(`nobody:${secret}`, 'postgres'), 'does not accept the user and password'],
    ['no such database', () => onSocket('signalbox', 'nowhere'), 'there is no database of that name'],
    ['a malformed URL', () => `postgres://signalbox:${secret}@host:port/db`, 'must be a URL like'],
    ['no URL at all', () => `host=localhost password=${secret}`, 'must be a URL like'],
    ['a root certificate that is not there', () => `${onPort(1)}?sslrootcert=/nowhere.pem`, '/nowhere.pem'],
  ])('%s', async (_, url, reason) => {
    const { output, ended } = start(url())
    expect(await ended).toEqual([1, null])
    expect(output()).toContain(reason)
    expect(output()).toContain('DATABASE_URL')
    expect(output()).not.toMatch(/hunter2|\n {4}at /)
  })
})

describe('what may be better later is told once, and the wait ends when it is told to', () => {
  const cases: readonly (readonly [string, () => string, string])[] = [
    ['a port where nobody listens', () => onPort(1), 'ECONNREFUSED'],
    ['a name that has two addresses where nobody listens', () => onPort(1, 'localhost'), 'ECONNREFUSED'],
    ['a name that nobody knows', () => onPort(5432, 'database.invalid'), 'database.invalid'],
    ['a server that says nothing', () => onPort((silent.address() as AddressInfo).port), 'timeout'],
    [
      'several of which none serves',
      () => `postgres://u:${secret}@127.0.0.1:1,127.0.0.1:2/db?target_session_attrs=read-write`,
      '127.0.0.1:2',
    ],
  ]

  test.each(cases)('%s', { timeout: 90_000 }, async (_, url, reason) => {
    const { child, output, ended } = start(url())
    await expect.poll(output, { timeout: 60_000 }).toContain('cannot be reached')
    const linesOf = () =>
      output()
        .split('\n')
        .filter((line) => line.includes('DATABASE_URL'))
    expect(linesOf().join('\n')).toContain(reason)
    // More tries have come and gone by then.
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
    expect(linesOf()).toHaveLength(1)
    expect(output()).toContain('"stopped"')
    expect(output()).not.toContain(secret)
  })

  test('SIGINT ends it while a server does not answer', { timeout: 90_000 }, async () => {
    const earlier = sockets.size
    const { child, ended } = start(onPort((silent.address() as AddressInfo).port))
    await expect.poll(() => sockets.size, { timeout: 60_000 }).toBeGreaterThan(earlier)
    child.kill('SIGINT')
    expect(await ended).toEqual([0, null])
  })

  test('a server that comes up later is used', { timeout: 90_000 }, async () => {
    const later = createServer().listen(0, '127.0.0.1')
    await once(later, 'listening')
    const { port } = later.address() as AddressInfo
    later.close()
    const { child, output, ended } = start(`postgres://signalbox@127.0.0.1:${port}/postgres`)
    await expect.poll(output, { timeout: 60_000 }).toContain('cannot be reached')
    await using _server = await openDatabaseProxy(postgres.url, port)
    await expect.poll(output, { timeout: 60_000 }).toContain('"listening"')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })
})
