import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../../../src/storage/database/database.ts'
import { migrate, MigrationError } from '../../../src/storage/database/migrate.ts'
import { openTestDatabase } from '../../support/database.ts'

describe('migrate', () => {
  let database: Database
  let folder: string

  beforeEach(async () => {
    database = await openTestDatabase({ migrated: false })
    folder = await mkdtemp(join(tmpdir(), 'signalbox-migrations-'))
  })

  afterEach(async () => {
    await database[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  const write = (name: string, text: string) => writeFile(join(folder, name), text)
  const run = () => migrate({ url: database.url, folder })
  const tables = async () => {
    const { rows } = await sql<{ name: string }>`
      select tablename as name from pg_tables where schemaname = 'public' order by 1`.execute(database.db)
    return rows.map((row) => row.name)
  }

  test('files run in the order of their numbers, and only once', async () => {
    await write('0002_child.sql', 'create table child (id int primary key references parent (id));')
    await write('0001_parent.sql', 'create table parent (id int primary key); insert into parent values (1);')
    expect(await run()).toEqual(['0001_parent.sql', '0002_child.sql'])
    expect(await run()).toEqual([])
    expect(await tables()).toEqual(['child', 'migration', 'parent'])
  })

  test('what was added later is run later', async () => {
    await write('0001_one.sql', 'create table one ();')
    await run()
    await write('0002_two.sql', 'create table two ();')
    expect(await run()).toEqual(['0002_two.sql'])
  })

  test('eight processes that start at once run each file once', async () => {
    await write('0001_one.sql', 'create table one (id int); insert into one values (1);')
    await write('0002_two.sql', 'insert into one values (2);')
    const ran = await Promise.all(Array.from({ length: 8 }, run))
    expect(ran.flat().sort()).toEqual(['0001_one.sql', '0002_two.sql'])
    const { rows } = await sql`select id from one order by id`.execute(database.db)
    expect(rows).toEqual([{ id: 1 }, { id: 2 }])
  })

  test('of a file that fails nothing stays, and its line is named', async () => {
    await write('0001_one.sql', 'create table one ();')
    await write('0002_two.sql', 'create table two ();\ncreate table three (id wrong_type);')
    await expect(run()).rejects.toThrow(/0002_two\.sql failed: .*wrong_type.*\(line 2\)/)
    expect(await tables()).toEqual(['migration', 'one'])
    await write('0002_two.sql', 'create table two ();')
    expect(await run()).toEqual(['0002_two.sql'])
  })

  test('a file that was changed after it ran is refused', async () => {
    await write('0001_one.sql', 'create table one ();')
    await run()
    await write('0001_one.sql', 'create table one (id int);')
    await expect(run()).rejects.toThrow(MigrationError)
    await expect(run()).rejects.toThrow(/0001_one\.sql was changed/)
  })

  test('line ends of another system are no change', async () => {
    await write('0001_one.sql', 'create table one ();\n-- end\n')
    await run()
    await write('0001_one.sql', 'create table one ();\r\n-- end\r\n')
    expect(await run()).toEqual([])
  })

  test('a database that newer software has migrated is refused', async () => {
    await write('0001_one.sql', 'create table one ();')
    await write('0002_two.sql', 'create table two ();')
    await run()
    await rm(join(folder, '0002_two.sql'))
    await expect(run()).rejects.toThrow(/0002_two\.sql, which this version of Signalbox does not know/)
  })

  test('a file with a number before one that ran is refused', async () => {
    await write('0002_two.sql', 'create table two ();')
    await run()
    await write('0001_one.sql', 'create table one ();')
    await expect(run()).rejects.toThrow(/0001_one\.sql was never run/)
  })

  test.each([
    [['0001_one.sql', '0001_two.sql'], /same number/],
    [['first.sql'], /not named like/],
    [['1_one.sql'], /not named like/],
    [['0001_One.sql'], /not named like/],
  ])('the names %j are refused before anything runs', async (names, message) => {
    for (const name of names) await write(name, 'create table never ();')
    await expect(run()).rejects.toThrow(message)
    expect(await tables()).toEqual([])
  })
})
