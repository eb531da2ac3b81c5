import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EmbeddedPostgres, openEmbeddedPostgres } from '../../../src/server/postgres/embedded-postgres.ts'
import { createConnection, type Database, openDatabase } from '../../../src/storage/database/database.ts'
import { migrate } from '../../../src/storage/database/migrate.ts'
import { openNotifications } from '../../../src/storage/database/notifications.ts'
import { openDatabaseProxy } from '../../support/database-proxy.ts'
import { openTestDatabase } from '../../support/database.ts'
import { createSelfSigned } from '../../support/self-signed.ts'
import { openTlsDatabase } from '../../support/tls-database.ts'

let folder: string
let standby: EmbeddedPostgres

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-servers-'))
  // As one that follows another: it answers, and takes no writes.
  standby = await openEmbeddedPostgres({ dataDir: folder, settings: { default_transaction_read_only: 'on' } })
}, 60_000)

afterAll(async () => {
  await standby[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true, maxRetries: 10 })
})

const socketOf = (url: string) => new URL(url).searchParams.get('host') ?? ''
const listOf = (database: Database, hosts: readonly string[], more = '') =>
  `postgres://signalbox@${new URL(database.url).pathname}?host=${hosts.map(encodeURIComponent).join(',')}${more}`
const answeredBy = (database: Pick<Database, 'db'>) =>
  sql<{ name: string }>`select current_database() as name`.execute(database.db).then(({ rows }) => rows[0]?.name)
const nameOf = (database: Database) => new URL(database.url).pathname.slice(1)

describe('several hosts', () => {
  test('the one that takes writes is found, by pools, by who listens and by migrations', async () => {
    await using database = await openTestDatabase({ migrated: false })
    const url = listOf(
      database,
      ['/nowhere', socketOf(standby.url), socketOf(database.url)],
      '&target_session_attrs=read-write',
    )
    expect((await migrate({ url })).length).toBeGreaterThan(5)
    await using pool = openDatabase({ url })
    expect(await answeredBy(pool)).toBe(nameOf(database))
    const heard = Promise.withResolvers<string>()
    const isListening = Promise.withResolvers<void>()
    await using _listening = openNotifications({
      url,
      channels: ['a'],
      onNotification: (_, payload) => heard.resolve(payload),
      onListening: isListening.resolve,
      onBroken: heard.reject,
    })
    await isListening.promise
    await sql`select pg_notify('a', 'hello')`.execute(database.db)
    expect(await heard.promise).toBe('hello')
  })

  test('a server that only reads is passed over even if it is the only one', async () => {
    await using pool = openDatabase({ url: `${standby.url}&target_session_attrs=read-write` })
    await expect(sql`select 1`.execute(pool.db)).rejects.toThrow('read-only')
    await using any = openDatabase({ url: standby.url })
    expect((await sql`select 1 as one`.execute(any.db)).rows).toEqual([{ one: 1 }])
  })

  test('the next one takes over when the first is gone, and the first when the second is', async () => {
    await using database = await openTestDatabase()
    await using first = await openDatabaseProxy(database.url)
    await using second = await openDatabaseProxy(database.url)
    const [a, b] = [first.url, second.url].map((url) => new URL(url).host)
    await using pool = openDatabase({ url: `postgres://signalbox@${a},${b}/${nameOf(database)}` })
    const answers = () => sql`select 1`.execute(pool.db).then(() => 'answered', String)
    expect(await answers()).toBe('answered')
    first.cut()
    await expect.poll(answers).toBe('answered')
    first.restore()
    second.cut()
    await expect.poll(answers).toBe('answered')
  })

  test('all that are away are named with their reasons', async () => {
    const client = createConnection('postgres://u:hunter2@127.0.0.1:1,127.0.0.1:2/db', 'test')
    client.on('error', () => undefined)
    await expect(client.connect()).rejects.toThrow(/127\.0\.0\.1:1: .*ECONNREFUSED.*127\.0\.0\.1:2: .*ECONNREFUSED/)
  })

  test('a refusal of the only one that answers is told beside the others', async () => {
    await using database = await openTestDatabase()
    const url = listOf(database, ['/nowhere', socketOf(database.url)]).replace(nameOf(database), 'no_such')
    const client = createConnection(url, 'test')
    client.on('error', () => undefined)
    await expect(client.connect()).rejects.toThrow(/does not exist/)
  })
})

describe('TLS', () => {
  const certificate = createSelfSigned()
  const write = async (name: string, text: string) => {
    const path = join(folder, name)
    await writeFile(path, text, { mode: 0o600 })
    return path
  }
  const isIn = async (url: string) => {
    await using pool = openDatabase({ url })
    return await sql`select 1`.execute(pool.db).then(
      () => 'in',
      (error: Error) => error.message,
    )
  }

  test.each([
    ['require', 'in'],
    ['prefer', 'in'],
    ['no-verify', 'in'],
    ['verify-ca', 'self-signed certificate'],
    ['verify-full', 'self-signed certificate'],
  ])('sslmode=%s with a certificate that nobody knows: %s', async (mode, outcome) => {
    await using database = await openTestDatabase()
    await using server = await openTlsDatabase(database.url, { certificate })
    expect(await isIn(`${server.url}?sslmode=${mode}`)).toContain(outcome)
    // Who does not trust it leaves before the end of the greeting.
    expect(server.encryptedCount() > 0).toBe(outcome === 'in')
  })

  test.each(['require', 'verify-ca', 'verify-full'])(
    'sslmode=%s trusts who sslrootcert names, and nobody else',
    async (mode) => {
      await using database = await openTestDatabase()
      await using server = await openTlsDatabase(database.url, { certificate })
      const [own, other] = [await write('ca.pem', certificate.cert), await write('other.pem', createSelfSigned().cert)]
      expect(await isIn(`${server.url}?sslmode=${mode}&sslrootcert=${own}`)).toBe('in')
      expect(await isIn(`${server.url}?sslmode=${mode}&sslrootcert=${other}`)).not.toBe('in')
      // The certificate is for localhost.
      const byAddress = server.url.replace('localhost', '127.0.0.1')
      const outcome = await isIn(`${byAddress}?sslmode=${mode}&sslrootcert=${own}`)
      expect(outcome === 'in').toBe(mode !== 'verify-full')
    },
  )

  test('a server without TLS is taken by prefer and allow, and refused by require', async () => {
    await using database = await openTestDatabase()
    await using server = await openTlsDatabase(database.url, {})
    for (const mode of ['disable', 'allow', 'prefer']) expect(await isIn(`${server.url}?sslmode=${mode}`)).toBe('in')
    expect(await isIn(`${server.url}?sslmode=require`)).toContain('does not support SSL')
  })

  test('sslcert and sslkey tell who comes', async () => {
    const client = createSelfSigned()
    await using database = await openTestDatabase()
    await using server = await openTlsDatabase(database.url, { certificate, clientAuthority: client.cert })
    const [cert, key] = [await write('client.pem', client.cert), await write('client.key', client.key)]
    expect(await isIn(`${server.url}?sslmode=require&sslcert=${cert}&sslkey=${key}`)).toBe('in')
    expect(await isIn(`${server.url}?sslmode=require`)).not.toBe('in')
  })

  test('a file that cannot be read is named', async () => {
    const outcome = await isIn('postgres://u:hunter2@localhost:1/db?sslmode=verify-full&sslrootcert=/nowhere/ca.pem')
    expect(outcome).toBe('has an sslrootcert that cannot be read (ENOENT): /nowhere/ca.pem')
  })

  test('a list of hosts is reached by TLS, too', async () => {
    await using database = await openTestDatabase()
    await using server = await openTlsDatabase(database.url, { certificate })
    const { host, pathname } = new URL(server.url)
    expect(await isIn(`postgres://signalbox@localhost:1,${host}${pathname}?sslmode=require`)).toBe('in')
    expect(server.encryptedCount()).toBeGreaterThan(0)
  })
})
