import { CompiledQuery, sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import type { Db } from '../../../src/storage/database/db.ts'
import { openDatabase } from '../../../src/storage/database/database.ts'
import { prepared } from '../../../src/storage/database/prepared-statement.ts'
import { openTestDatabase } from '../../support/database.ts'
import { openDatabaseProxy } from '../../support/database-proxy.ts'

describe('openDatabase', () => {
  test('a bigint is a number, and one that is too large is an error, never a wrong number', async () => {
    await using database = await openTestDatabase()
    const { rows } = await sql`select 9007199254740991::bigint as most`.execute(database.db)
    expect(rows).toEqual([{ most: 9_007_199_254_740_991 }])
    await expect(sql`select 9007199254740993::bigint`.execute(database.db)).rejects.toThrow(RangeError)
    expect((await sql`select 1 as one`.execute(database.db)).rows).toEqual([{ one: 1 }])
  })

  test('a numeric stays exact text', async () => {
    await using database = await openTestDatabase()
    const { rows } = await sql`select 0.1::numeric + 0.2::numeric as sum`.execute(database.db)
    expect(rows).toEqual([{ sum: '0.3' }])
  })

  test('a statement that takes too long is given up by the server', async () => {
    await using database = await openTestDatabase({ statementTimeoutMs: 50 })
    await expect(sql`select pg_sleep(30)`.execute(database.db)).rejects.toThrow(/statement timeout/)
  })

  test('a query that finds no free connection fails after the time for connecting', async () => {
    await using database = await openTestDatabase({ maxConnections: 1, connectTimeoutMs: 50 })
    await database.db.connection().execute(async () => {
      await expect(sql`select 1`.execute(database.db)).rejects.toThrow(/timeout/)
    })
  })

  test('an idle connection that the server ends is told and replaced', async () => {
    const errors: Error[] = []
    await using database = await openTestDatabase({ onConnectionError: (error) => errors.push(error) })
    const [own] = (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(database.db)).rows
    await using other = openDatabase({ url: database.url })
    await sql`select pg_terminate_backend(${own?.pid})`.execute(other.db)
    await expect.poll(() => errors.length).toBe(1)
    expect((await sql`select 1 as one`.execute(database.db)).rows).toEqual([{ one: 1 }])
  })

  test('a connection that breaks within a transaction fails the transaction, and nothing else', async () => {
    await using database = await openTestDatabase()
    await using other = openDatabase({ url: database.url })
    const transaction = database.db.transaction().execute(async (tx) => {
      const [own] = (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx)).rows
      await sql`select pg_terminate_backend(${own?.pid})`.execute(other.db)
      const isGone = sql<{
        gone: boolean
      }>`select not exists (select from pg_stat_activity where pid = ${own?.pid}) as gone`
      await expect.poll(async () => (await isGone.execute(other.db)).rows).toEqual([{ gone: true }])
      await sql`select 1`.execute(tx)
    })
    await expect(transaction).rejects.toThrow(/connection error|terminat/)
    expect((await sql`select 1 as one`.execute(database.db)).rows).toEqual([{ one: 1 }])
  })

  test('a connection on which no answer comes is replaced after that query', { timeout: 30_000 }, async () => {
    await using server = await openTestDatabase()
    await using proxy = await openDatabaseProxy(server.url)
    await using database = openDatabase({ url: proxy.url, maxConnections: 1, statementTimeoutMs: 10 })
    await sql`select 1`.execute(database.db)
    proxy.hang()
    await expect(sql`select 1`.execute(database.db)).rejects.toThrow('Query read timeout')
    expect((await sql`select 1 as one`.execute(database.db)).rows).toEqual([{ one: 1 }])
  })

  test('a statement with a name is prepared once per connection, and others are not', async () => {
    await using database = await openTestDatabase({ maxConnections: 1 })
    const double = (n: number) =>
      database.db.executeQuery(CompiledQuery.raw(prepared('double', 'select $1::int * 2 as twice'), [n]))
    expect((await double(2)).rows).toEqual([{ twice: 4 }])
    expect((await double(3)).rows).toEqual([{ twice: 6 }])
    const { rows } = await sql`select name from pg_prepared_statements`.execute(database.db)
    expect(rows).toEqual([{ name: 'double' }])
  })

  test('each statement is told without its parameters', async () => {
    const statements: string[] = []
    await using database = await openTestDatabase({ onStatement: ({ sql }) => statements.push(sql) })
    await sql`select ${'secret'}::text`.execute(database.db)
    expect(statements).toEqual(['select $1::text'])
  })
})

describe('a read view', () => {
  test('all that is read in it is one state, and the next view sees the new one', async () => {
    await using database = await openTestDatabase()
    const version = (db: Db) => db.selectFrom('config_version').select('version').executeTakeFirstOrThrow()
    const view = database.openReadView()
    expect(await version(view.db)).toEqual({ version: 0 })
    await database.db.updateTable('config_version').set({ version: 1 }).execute()
    expect(await version(view.db)).toEqual({ version: 0 })
    view.close()
    expect(await version(view.db)).toEqual({ version: 1 })
    view.close()
    await expect.poll(() => database.pool().busy).toBe(0)
  })

  test('a statement that fails does not take the following ones along', async () => {
    await using database = await openTestDatabase()
    const view = database.openReadView()
    await expect(sql`select 1 / 0`.execute(view.db)).rejects.toThrow(/division/)
    expect((await sql`select 1 as one`.execute(view.db)).rows).toEqual([{ one: 1 }])
    await expect(sql`update config_version set version = 2`.execute(view.db)).rejects.toThrow(/read-only/)
    view.close()
  })

  test('a client that leaves ends its statement on the server', async () => {
    await using database = await openTestDatabase()
    const view = database.openReadView()
    const slow = sql`select pg_sleep(30) as left_alone`.execute(view.db).catch((error: Error) => error)
    const sleeping = async () =>
      (
        await sql`select 1 from pg_stat_activity where state = 'active' and query like '%left_alone%' and pid <> pg_backend_pid()`.execute(
          database.db,
        )
      ).rows.length
    await expect.poll(sleeping).toBe(1)
    view.abort()
    expect(await slow).toBeInstanceOf(Error)
    view.close()
    await expect.poll(sleeping, { timeout: 10_000 }).toBe(0)
    await expect.poll(() => database.pool().busy).toBe(0)
    expect((await sql`select 1 as one`.execute(database.db)).rows).toEqual([{ one: 1 }])
  })
})

test('a server that has become read-only is left with all its connections', async () => {
  let told = 0
  await using database = await openTestDatabase({ onReadOnlyServer: () => told++ })
  const write = () => database.db.updateTable('config_version').set({ version: 1 }).execute()
  await write()
  await sql`set default_transaction_read_only = on`.execute(database.db)
  await expect(write()).rejects.toThrow(/read-only/)
  expect(told).toBe(1)
  await expect.poll(() => write().then(() => 'written')).toBe('written')
})
