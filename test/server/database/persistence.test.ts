import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Config, readConfig } from '../../../src/server/configuration/config.ts'
import { createLog, type Log } from '../../../src/server/log/log.ts'
import { migrateWhenReachable, openPersistence } from '../../../src/server/database/persistence.ts'
import { StartError } from '../../../src/server/start-error.ts'
import { openTestDatabase } from '../../support/database.ts'

let dataDir: string
let lines: string[]
let log: Log

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'signalbox-persistence-'))
  lines = []
  log = createLog({ level: 'info', sink: { write: (line) => void lines.push(line) } })
})

afterEach(() => rm(dataDir, { recursive: true, force: true, maxRetries: 10 }))

function config(environment: Record<string, string> = {}): Config {
  return readConfig({ SIGNALBOX_DATA_DIR: dataDir, ...environment }).config
}

const external = (url: string) =>
  config({ DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: randomBytes(32).toString('base64') })

describe('openPersistence', () => {
  test('starts a server of its own, whose secrets can be opened after a restart', async () => {
    const first = await openPersistence(config(), log)
    await migrateWhenReachable(first.database.url, log)
    const sealed = first.box.seal('hunter2', 'prv_1')
    await first[Symbol.asyncDispose]()

    await using second = await openPersistence(config(), log)
    expect(second.box.open(sealed, 'prv_1')).toBe('hunter2')
    expect(await migrateWhenReachable(second.database.url, log)).toEqual([])
  })

  test('joins the server of another process in the same data folder, and leaves it running', async () => {
    await using first = await openPersistence(config(), log)
    const joined = await openPersistence(config(), log, { joinRunning: true })
    await sql`create table shared as select 1 as one`.execute(joined.database.db)
    expect(joined.box.open(first.box.seal('hunter2', 'x'), 'x')).toBe('hunter2')
    await joined[Symbol.asyncDispose]()
    expect((await sql`select one from shared`.execute(first.database.db)).rows).toEqual([{ one: 1 }])
  })

  test('uses the server of DATABASE_URL, and starts none', async () => {
    await using database = await openTestDatabase({ migrated: false })
    await using persistence = await openPersistence(external(database.url), log)
    await migrateWhenReachable(persistence.database.url, log)
    const { rows } = await sql<{ count: number }>`select count(*) from migration`.execute(database.db)
    expect(rows[0]?.count).toBeGreaterThan(0)
  })
})

describe('migrateWhenReachable', () => {
  test('waits for a server that is away, and says so', async () => {
    await using database = await openTestDatabase({ migrated: false })
    const socket = new URL(database.url).searchParams.get('host')
    const gone = database.url.replace(encodeURIComponent(socket!), encodeURIComponent(`${socket}-away`))
    const giveUp = new AbortController()
    const attempt = migrateWhenReachable(gone, log, { signal: giveUp.signal })
    await expect.poll(() => lines.join('')).toContain('cannot be reached')
    giveUp.abort()
    await expect(attempt).rejects.toThrow(/aborted|ENOENT/)
    expect(lines.join('')).not.toContain('postgres://')
  })

  test('says clearly that there is no such database, without its URL', async () => {
    await using database = await openTestDatabase({ migrated: false })
    const url = new URL(database.url)
    url.pathname = '/no_such_database'
    const attempt = migrateWhenReachable(url.href, log)
    await expect(attempt).rejects.toThrow(StartError)
    await expect(attempt).rejects.toThrow('there is no database of that name')
  })

  test('never shows the password, not even of a server that answers nonsense', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(0, '127.0.0.1')
    await expect.poll(() => server.listening).toBe(true)
    const { port } = server.address() as { port: number }
    const url = `postgres://signalbox:hunter2@127.0.0.1:${port}/signalbox`
    const error = await migrateWhenReachable(url, log, { signal: AbortSignal.abort() }).catch(String)
    expect(error + lines.join('')).toMatch(/error/i)
    expect(error + lines.join('')).not.toContain('hunter2')
    server.close()
  })
})
