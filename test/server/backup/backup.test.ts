import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createDeployment } from '../../../src/control/deployment/create.ts'
import { backUp } from '../../../src/server/backup/backup.ts'
import { restoreBackup } from '../../../src/server/backup/restore-backup.ts'
import { readConfig } from '../../../src/server/configuration/config.ts'
import { openConfigFollower } from '../../../src/server/following/follower.ts'
import { createLog } from '../../../src/server/log/log.ts'
import { createSnapshotStore } from '../../../src/server/following/snapshot-store.ts'
import { createdObjects } from '../../../src/storage/backup/created-objects.ts'
import { openDatabase } from '../../../src/storage/database/database.ts'
import type { Db } from '../../../src/storage/database/db.ts'
import { readMigrations } from '../../../src/storage/database/migrate.ts'
import { createUsagePartitions } from '../../../src/storage/usage/ledger/partitions.ts'
import { insertUsageRecords } from '../../../src/storage/usage/ledger/insert.ts'
import { administrator, openTestControl, type TestControl } from '../../support/control.ts'
import { openTestDatabase } from '../../support/database.ts'
import { until } from '../../support/until.ts'
import { usageRecord } from '../../support/usage-record.ts'

const log = createLog({ level: 'silent' })
const key = randomBytes(32).toString('base64')
let folder: string
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'signalbox-backup-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

const configOf = (url: string) =>
  readConfig({ DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: key, SIGNALBOX_DATA_DIR: folder }).config
const save = (url: string, file: string, options: { signal?: AbortSignal; onRows?: () => void } = {}) =>
  backUp(
    { path: join(folder, file), replaces: false },
    { config: configOf(url), log, version: '0', includesEncryptionKey: false, ...options },
  )
const restore = (url: string, file: string, options: { replaces?: boolean; signal?: AbortSignal } = {}) =>
  restoreBackup({ path: join(folder, file) }, { config: configOf(url), log, replaces: false, ...options })

const addDeployment = async (control: TestControl, name: string) => {
  const answer = await createDeployment(control, administrator, {
    name,
    endpoints: [{ url: 'http://10.0.0.1:8000/v1' }],
    secret: `sk-of-${name}`,
  })
  if (!answer.ok) throw new Error(JSON.stringify(answer))
}

/** With a configuration, and usage of two days. */
async function openFilled(): Promise<TestControl> {
  const control = await openTestControl()
  await addDeployment(control, 'first')
  const records = Array.from({ length: 300 }, (_, n) =>
    usageRecord({ startedAtMs: Date.UTC(2026, 10, 22 + (n % 2)), requestedModel: n % 3 ? 'a\tb\\N\n"ü' : null }),
  )
  await createUsagePartitions(
    control.db,
    records.map(({ startedAtMs }) => startedAtMs),
  )
  await insertUsageRecords(control.db, records)
  return control
}

const outside = ['config_version', 'config_change', 'gateway', 'gateway_traffic', 'migration']

/** All rows of all tables, but for what a restoring makes anew. */
async function contentOf(db: Db): Promise<Record<string, string[]>> {
  const { rows: tables } = await sql<{ name: string }>`
    select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
    order by 1`.execute(db)
  const content: Record<string, string[]> = {}
  for (const { name } of tables.filter(({ name }) => !outside.includes(name))) {
    const { rows } = await sql<{ row: string }>`select t::text as row from ${sql.table(name)} as t order by 1`.execute(
      db,
    )
    content[name] = rows.map(({ row }) => row)
  }
  return content
}

test('what was restored is what was backed up, usage and sequences too, under a new version', async () => {
  await using control = await openFilled()
  await save(control.url, 'whole')
  await using target = await openTestDatabase({ migrated: false })
  const { version } = control.snapshots.current()
  expect(await restore(target.url, 'whole')).toMatchObject({ configVersion: version + 1, migrated: [] })

  const [before, after] = [await contentOf(control.db), await contentOf(target.db)]
  expect(after).toEqual(before)
  expect(before['usage_record_2026_11_22']).toHaveLength(150)
  // A record that is shipped again is known.
  const { rows } = await sql<{ id: string; startedAtMs: number }>`
    select id, extract(epoch from started_at)::float8 * 1000 as "startedAtMs" from usage_record`.execute(target.db)
  expect(await insertUsageRecords(target.db, [usageRecord(rows[0]), usageRecord()])).toBe(1)
})

test('a gateway of another history notices, and serves what was restored', async () => {
  await using control = await openFilled()
  await save(control.url, 'before')
  await addDeployment(control, 'second')
  const store = createSnapshotStore()
  const { box } = control
  await using database = openDatabase({ url: control.url })
  await using follower = openConfigFollower({ db: database.db, box, store, log: { error: () => undefined } })
  await follower.reload()
  expect(store.current().routesByName.get('second')).toBeDefined()

  // The same number of a version, and other content: only its token tells.
  expect(await restore(control.url, 'before', { replaces: true })).toMatchObject({
    configVersion: store.current().version,
  })
  await until(async () => {
    await follower.catchUp()
    return store.current().routesByName.get('second') === undefined
  })
  expect(store.current().routesByName.get('first')).toBeDefined()
})

test('nothing is replaced unless that is asked for, and tables of others stay', async () => {
  await using control = await openFilled()
  await save(control.url, 'whole')
  await using target = await openTestDatabase()
  await sql`create table of_others (id integer)`.execute(target.db)
  const before = await contentOf(target.db)
  await expect(restore(target.url, 'whole')).rejects.toThrow('The database has tables already')
  expect(await contentOf(target.db)).toEqual(before)
  await restore(target.url, 'whole', { replaces: true })
  expect(await contentOf(target.db)).toEqual({ ...(await contentOf(control.db)), of_others: [] })
  await expect(save(control.url, 'whole')).rejects.toMatchObject({ code: 'EEXIST' })
})

test('a file that was cut, or in which a bit has changed, restores nothing', async () => {
  await using control = await openFilled()
  await save(control.url, 'whole')
  const bytes = await readFile(join(folder, 'whole'))
  const plain = zstdDecompressSync(bytes)
  const middle = Math.floor(plain.length / 2)
  const changed = Buffer.from(plain)
  changed[middle] = changed[middle]! ^ 1
  const spoilt = {
    cut: bytes.subarray(0, bytes.length - 64),
    'cut before it was compressed': zstdCompressSync(plain.subarray(0, middle)),
    'without its end': zstdCompressSync(plain.subarray(0, plain.lastIndexOf('e\0\0\0'))),
    changed: zstdCompressSync(changed),
    empty: Buffer.alloc(0),
    'of somebody else': zstdCompressSync(Buffer.from('PGDMP and so on, and more')),
    'no file of zstd': Buffer.from('-- PostgreSQL database dump'),
    longer: zstdCompressSync(Buffer.concat([plain, Buffer.from('r\0\0\0\0')])),
  }
  await using target = await openTestDatabase({ migrated: false })
  for (const [name, content] of Object.entries(spoilt)) {
    await writeFile(join(folder, name), content)
    expect({ name, error: await restore(target.url, name).catch((error: Error) => error.name) }).toEqual({
      name,
      error: 'ArchiveError',
    })
    expect({ name, content: await contentOf(target.db) }).toEqual({ name, content: {} })
  }
})

test('what is stopped leaves nothing', async () => {
  await using control = await openFilled()
  const stop = new AbortController()
  await expect(save(control.url, 'stopped', { signal: stop.signal, onRows: () => stop.abort() })).rejects.toMatchObject(
    { name: 'AbortError' },
  )
  expect(await readdir(folder)).toEqual([])
  await save(control.url, 'whole')
  await using target = await openTestDatabase({ migrated: false })
  await expect(restore(target.url, 'whole', { signal: AbortSignal.abort() })).rejects.toMatchObject({
    name: 'AbortError',
  })
  expect(await contentOf(target.db)).toEqual({})
})

test('the encryption key is in the file only if asked for, and the file is closed to others', async () => {
  await using control = await openFilled()
  const options = { config: configOf(control.url), log, version: '0' }
  await backUp({ path: join(folder, 'with'), replaces: false }, { ...options, includesEncryptionKey: true })
  await save(control.url, 'without')
  const has = async (file: string) => zstdDecompressSync(await readFile(join(folder, file))).includes(key)
  expect([await has('with'), await has('without')]).toEqual([true, false])
  expect((await stat(join(folder, 'without'))).mode & 0o777).toBe(0o600)
})

test('a backup whose encryption key is not here is refused before anything is done', async () => {
  await using control = await openFilled()
  await sql`update installation set encryption_key_id = '0123456789abcdef'`.execute(control.db)
  await save(control.url, 'whole')
  await using target = await openTestDatabase({ migrated: false })
  await expect(restore(target.url, 'whole')).rejects.toThrow('SIGNALBOX_ENCRYPTION_KEY')
  expect(await contentOf(target.db)).toEqual({})
})

test('the names that are read from the migrations are those of all tables', async () => {
  await using database = await openTestDatabase()
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`.execute(
    database.db,
  )
  const { tables } = createdObjects(await readMigrations())
  expect(rows.map(({ name }) => name).filter((name) => name !== 'migration' && !tables.has(name))).toEqual([])
})
