import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openEmbeddedPostgres } from '../../../src/server/postgres/embedded-postgres.ts'
import { openDatabase } from '../../../src/storage/database/database.ts'

type Identity = { uid: number; gid: number }
type Holder = { child: ChildProcess; url: string; error: string }

const isRoot = process.getuid?.() === 0
const isLinux = process.platform === 'linux'
// On every Debian: initdb wants a user with a name.
const DAEMON: Identity = { uid: 1, gid: 1 }
const BIN: Identity = { uid: 2, gid: 2 }
// Others cannot run anything of a checkout below root's home.
const isOpenCheckout = foldersAbove(import.meta.dirname).every((path) => (statSync(path).mode & 0o005) === 0o005)
const SCRIPT = join(import.meta.dirname, '../../support/embedded-postgres-process.ts')

const run = promisify(execFile)

/** Either of the two ways in which initdb can be told a name. */
function mayBeNameless(): boolean {
  if (!isRoot || !isLinux) return false
  const asNameless = { uid: 123_456, gid: 0, cwd: '/' }
  const hasNamespaces = spawnSync('sh', ['-c', 'unshare --user --map-user=65534 true'], asNameless).status === 0
  const hasWrapper =
    spawnSync('sh', ['-c', 'ldconfig -p | grep -q nss_wrapper || ls /usr/lib*/*/libnss_wrapper.so']).status === 0
  if (hasNamespaces || hasWrapper) return true
  process.stderr.write('Neither user namespaces nor libnss-wrapper: a start as a uid without a name is not tested.\n')
  return false
}

let folder: string
let dataDir: string
let template: string
const children: ChildProcess[] = []

function foldersAbove(path: string): string[] {
  return path === dirname(path) ? [path] : [path, ...foldersAbove(dirname(path))]
}

/** Another process that has an embedded PostgreSQL, or tried to. */
async function startHolder(dir = dataDir, identity?: Identity, env: Record<string, string> = {}): Promise<Holder> {
  const child = spawn(process.execPath, [SCRIPT, dir], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
    env,
    ...identity,
  })
  children.push(child)
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line) as { url?: string; error?: string }
    return { child, url: said.url ?? '', error: said.error ?? '' }
  }
  throw new Error('The process said nothing.')
}

/** The processes that are at work in the cluster: the server and its children. */
function serverPids(): number[] {
  const cluster = statSync(join(dataDir, 'postgres'))
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const cwd = statSync(`/proc/${pid}/cwd`)
        return cwd.ino === cluster.ino && cwd.dev === cluster.dev && commandOf(pid).includes('postgres')
      } catch {
        return false
      }
    })
}

const commandOf = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
const parentOf = (pid: number) => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /s, '').split(' ')[1])
const serverPid = async () => Number.parseInt(await readFile(join(dataDir, 'postgres/postmaster.pid'), 'utf8'), 10)
const socketFolder = (url: string) => new URL(url).searchParams.get('host') ?? ''
const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )
async function untilNoServer(): Promise<void> {
  await expect.poll(serverPids, { timeout: 20_000 }).toEqual([])
}

async function ask(url: string, statement: string): Promise<unknown> {
  await using database = openDatabase({ url, maxConnections: 1 })
  const { rows } = await sql.raw<{ answer: unknown }>(statement).execute(database.db)
  return rows[0]?.answer
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'it did not fail',
    (error: unknown) => (error as Error).message,
  )
}

async function stopHolder(holder: Holder): Promise<void> {
  holder.child.kill('SIGTERM')
  await once(holder.child, 'exit')
}

beforeAll(async () => {
  template = await mkdtemp(join(tmpdir(), 'signalbox-template-'))
  await using postgres = await openEmbeddedPostgres({ dataDir: template })
  await ask(postgres.url, 'create table kept as select 42 as answer')
})

afterAll(() => rm(template, { recursive: true, force: true }))

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-embedded-'))
  dataDir = join(folder, 'data')
  await mkdir(dataDir)
})

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await untilNoServer().catch(() => undefined)
  await rm(folder, { recursive: true, force: true })
})

/** A cluster that has the table `kept`, without the wait for initdb. */
async function restoreCluster(): Promise<void> {
  await run('cp', ['-a', join(template, 'postgres'), dataDir])
}

describe('the server', () => {
  test('listens on a socket that only its own user can reach, with fsync on, and not as root', async () => {
    await restoreCluster()
    await using postgres = await openEmbeddedPostgres({ dataDir })
    expect(await ask(postgres.url, "select current_setting('listen_addresses') as answer")).toBe('')
    expect(await ask(postgres.url, "select current_setting('fsync') as answer")).toBe('on')
    const sockets = await stat(socketFolder(postgres.url))
    expect(sockets.mode & 0o777).toBe(0o700)
    expect(sockets.uid).not.toBe(0)
    expect((await stat(join(dataDir, 'postgres'))).mode & 0o777).toBe(0o700)
    expect(await readFile(join(template, 'postgres/pg_hba.conf'), 'utf8')).toBe('local all all trust\n')
  })

  test.runIf(isLinux)('keeps its data from one start to the next, and leaves nothing when it is stopped', async () => {
    await restoreCluster()
    const first = await openEmbeddedPostgres({ dataDir })
    await ask(first.url, 'create table more as select 7 as answer')
    await first[Symbol.asyncDispose]()
    expect(await exists(socketFolder(first.url))).toBe(false)
    expect(serverPids()).toEqual([])

    await using second = await openEmbeddedPostgres({ dataDir })
    expect(await ask(second.url, 'select answer from more')).toBe(7)
  })

  test('runs in a folder whose path is too long for a socket', async () => {
    dataDir = join(folder, 'long'.repeat(50), 'deep'.repeat(50), 'data')
    await using postgres = await openEmbeddedPostgres({ dataDir })
    expect(await ask(postgres.url, 'select 1 as answer')).toBe(1)
  })

  test('orders text in the same way on every system', async () => {
    await restoreCluster()
    await using postgres = await openEmbeddedPostgres({ dataDir })
    const ordered = "select string_agg(t, '' order by t) as answer from unnest(array['b', 'a', 'B', 'ä', 'z']) as t"
    expect(await ask(postgres.url, ordered)).toBe('Babzä')
  })

  test('that crashes is started again under the same address', async () => {
    await restoreCluster()
    await using postgres = await openEmbeddedPostgres({ dataDir })
    const crashed = await serverPid()
    process.kill(crashed, 'SIGKILL')
    await expect.poll(() => serverPid().catch(() => crashed), { timeout: 20_000 }).not.toBe(crashed)
    await expect.poll(() => ask(postgres.url, 'select answer from kept').catch(String), { timeout: 20_000 }).toBe(42)
  })

  test('that cannot start says what PostgreSQL said', async () => {
    await restoreCluster()
    await writeFile(join(dataDir, 'postgres/postgresql.conf'), 'no_such_setting = 1\n')
    await expect(openEmbeddedPostgres({ dataDir })).rejects.toThrow(/did not start[\s\S]*no_such_setting/)
  })

  test('refuses the data of another major version', async () => {
    await restoreCluster()
    await writeFile(join(dataDir, 'postgres/PG_VERSION'), '17\n')
    await expect(openEmbeddedPostgres({ dataDir })).rejects.toThrow(/made by PostgreSQL 17, and this is 18/)
  })
})

describe.runIf(isLinux)('the server of a process that is killed', () => {
  beforeEach(() => restoreCluster())

  test('ends with it, and its sockets are removed', async () => {
    const { child, url } = await startHolder()
    expect(serverPids().length).toBeGreaterThan(1)
    child.kill('SIGKILL')
    await untilNoServer()
    await expect.poll(() => exists(socketFolder(url))).toBe(false)
  })

  test('ends with it when its whole process group is killed', async () => {
    const { child } = await startHolder()
    process.kill(-child.pid!, 'SIGKILL')
    await untilNoServer()
  })

  test('ends although clients are connected and have open transactions', async () => {
    const { child, url } = await startHolder()
    await using database = openDatabase({ url })
    const open = database.db.transaction().execute(async (tx) => {
      await sql`insert into kept values (1)`.execute(tx)
      child.kill('SIGKILL')
      await untilNoServer()
    })
    await expect(open).rejects.toThrow(/connection|terminat/i)
  })

  test('goes on while the process is only paused, and ends if it is killed then', async () => {
    const { child, url } = await startHolder()
    child.kill('SIGSTOP')
    expect(await ask(url, 'select answer from kept')).toBe(42)
    child.kill('SIGKILL')
    await untilNoServer()
  })

  test('ends with it also after its guard was killed', async () => {
    const { child, url } = await startHolder()
    const [server, guard] = [await serverPid(), parentOf(await serverPid())]
    process.kill(guard, 'SIGKILL')
    await expect.poll(() => serverPid().catch(() => server), { timeout: 20_000 }).not.toBe(server)
    await expect.poll(() => ask(url, 'select answer from kept').catch(String), { timeout: 20_000 }).toBe(42)
    child.kill('SIGKILL')
    await untilNoServer()
  })

  test('and of its guard is ended by the next start, which has all its data', async () => {
    const { child, url } = await startHolder()
    await ask(url, 'insert into kept values (1)')
    const orphan = await serverPid()
    child.kill('SIGSTOP')
    process.kill(parentOf(orphan), 'SIGKILL')
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(serverPids()).toContain(orphan)

    await using postgres = await openEmbeddedPostgres({ dataDir })
    expect(await ask(postgres.url, 'select sum(answer)::int as answer from kept')).toBe(43)
    expect(serverPids()).not.toContain(orphan)
    expect(await exists(socketFolder(url))).toBe(false)
  })

  test('gives way to the next start at once', async () => {
    const { child } = await startHolder()
    child.kill('SIGKILL')
    // A signal is only sent: for a moment the process may still be there, and rightly have the folder.
    await once(child, 'exit')
    await using postgres = await openEmbeddedPostgres({ dataDir })
    expect(await ask(postgres.url, 'select answer from kept')).toBe(42)
  })

  test('loses nothing when the server itself and all its guards are killed too', async () => {
    const { child, url } = await startHolder()
    await ask(url, 'insert into kept values (1)')
    const [server, guard] = [await serverPid(), parentOf(await serverPid())]
    child.kill('SIGSTOP')
    for (const pid of [guard, server, child.pid!]) process.kill(pid, 'SIGKILL')
    await untilNoServer()
    expect(await exists(join(dataDir, 'postgres/postmaster.pid'))).toBe(true)

    await using postgres = await openEmbeddedPostgres({ dataDir })
    expect(await ask(postgres.url, 'select sum(answer)::int as answer from kept')).toBe(43)
  })
})

describe.runIf(isLinux)('a first start that is killed', () => {
  test.each([60, 200, 400, 700])('after %i ms leaves nothing in the way of the next one', async (ms) => {
    const child = spawn(process.execPath, [SCRIPT, dataDir], { stdio: 'ignore' })
    await sleep(ms)
    child.kill('SIGKILL')
    await once(child, 'exit')

    await using postgres = await openEmbeddedPostgres({ dataDir })
    expect(await ask(postgres.url, 'select 1 as answer')).toBe(1)
    expect(await readdir(dataDir)).toEqual(['postgres'])
  })
})

describe('a data folder in use', () => {
  test.runIf(isLinux)('is refused with the process that has it, which goes on undisturbed', async () => {
    await restoreCluster()
    const holder = await startHolder()
    const message = await messageOf(openEmbeddedPostgres({ dataDir }))
    expect(message).toContain(`is in use by process ${holder.child.pid} (`)
    expect(message).toContain('embedded-postgres-process.ts')
    expect(await ask(holder.url, 'select answer from kept')).toBe(42)
    await stopHolder(holder)

    await using postgres = await openEmbeddedPostgres({ dataDir })
    expect(await ask(postgres.url, 'select answer from kept')).toBe(42)
  })

  test('is refused within one process', async () => {
    await restoreCluster()
    await using postgres = await openEmbeddedPostgres({ dataDir })
    expect(await messageOf(openEmbeddedPostgres({ dataDir }))).toContain(`in use by process ${process.pid} (`)
    expect(await ask(postgres.url, 'select answer from kept')).toBe(42)
  })

  test('is given to exactly one of those that start at once, the very first time too', async () => {
    const starts = await Promise.allSettled([1, 2, 3].map(() => openEmbeddedPostgres({ dataDir })))
    const [opened, refused] = [
      starts.filter((s) => s.status === 'fulfilled'),
      starts.filter((s) => s.status === 'rejected'),
    ]
    expect(refused.map((start) => String(start.reason))).toEqual([
      expect.stringContaining('is in use by process'),
      expect.stringContaining('is in use by process'),
    ])
    expect(await ask(opened[0]!.value.url, 'select 1 as answer')).toBe(1)
    await opened[0]!.value[Symbol.asyncDispose]()
  })

  test('is not one whose server has gone and whose number another program has now', async () => {
    await restoreCluster()
    const other = spawn('/bin/sleep', ['1000'], isRoot ? { uid: 65_534, gid: 65_534 } : {})
    children.push(other)
    const lines = [other.pid, join(dataDir, 'postgres'), 1_700_000_000, 5432, '/tmp', '', '1234 1234', 'ready', '']
    await writeFile(join(dataDir, 'postgres/postmaster.pid'), lines.join('\n'), { mode: 0o600 })

    await using postgres = await openEmbeddedPostgres({ dataDir })
    expect(await ask(postgres.url, 'select answer from kept')).toBe(42)
    expect(other.exitCode).toBeNull()
  })
})

describe.runIf(isRoot && isLinux)('users', () => {
  const uidOf = (pid: number) => Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])

  test('root runs it as nobody', async () => {
    await restoreCluster()
    await using postgres = await openEmbeddedPostgres({ dataDir })
    expect(uidOf(await serverPid())).toBe(65_534)
    expect(await ask(postgres.url, 'select answer from kept')).toBe(42)
  })

  test.runIf(isOpenCheckout)(
    'an ordinary user runs it as itself, from the first start on; root then runs it as that user',
    async () => {
      await allowTo(DAEMON)
      const holder = await startHolder(dataDir, DAEMON)
      expect(holder.error).toBe('')
      expect(uidOf(await serverPid())).toBe(DAEMON.uid)
      await ask(holder.url, 'create table theirs as select 3 as answer')
      await stopHolder(holder)

      const roots = await openEmbeddedPostgres({ dataDir })
      expect(uidOf(await serverPid())).toBe(DAEMON.uid)
      expect(await ask(roots.url, 'select answer from theirs')).toBe(3)
      await roots[Symbol.asyncDispose]()

      const again = await startHolder(dataDir, DAEMON)
      expect(await ask(again.url, 'select answer from theirs')).toBe(3)
    },
  )

  // As OpenShift runs containers: a number without a name, in root's group, and nothing to write in but the volume.
  test.runIf(isOpenCheckout && mayBeNameless())(
    'a uid without a name runs it, from the first start on, and writes nothing but the data',
    async () => {
      const nameless: Identity = { uid: 123_456, gid: 0 }
      await chmod(folder, 0o755)
      await chown(dataDir, nameless.uid, nameless.gid)
      const first = await startHolder(dataDir, nameless, { TMPDIR: '/nowhere' })
      expect(first.error).toBe('')
      expect(uidOf(await serverPid())).toBe(nameless.uid)
      await ask(first.url, 'create table theirs as select 3 as answer')
      await stopHolder(first)
      const second = await startHolder(dataDir, nameless)
      expect(await ask(second.url, 'select answer from theirs')).toBe(3)
      await stopHolder(second)
      expect(await readdir(dataDir)).toEqual(['postgres'])
    },
  )

  test.runIf(isOpenCheckout)('an ordinary user is refused the data of another one, whose number is named', async () => {
    await restoreCluster()
    await allowTo(DAEMON)
    const { error } = await startHolder(dataDir, DAEMON)
    expect(error).toMatch(/belongs to the user with uid 65534, and this process runs as uid 1\./)
  })

  test.runIf(isOpenCheckout)('another user can neither read the data nor connect', async () => {
    await restoreCluster()
    await using postgres = await openEmbeddedPostgres({ dataDir })
    const script = `
      const { readdirSync } = require('node:fs')
      const code = (work) => new Promise((resolve) => work(resolve)).catch((error) => error.code)
      const connect = (done) => require('node:net').connect(process.argv[1]).on('connect', () => done('connected')).on('error', (error) => done(error.code))
      Promise.all([code(connect), code(() => readdirSync(process.argv[2]))]).then((codes) => console.log(codes.join()))`
    const args = ['-e', script, join(socketFolder(postgres.url), '.s.PGSQL.5432'), join(dataDir, 'postgres')]
    const child = spawn(process.execPath, args, { ...BIN, cwd: '/' })
    const [codes] = (await once(child.stdout, 'data')) as [Buffer]
    expect(codes.toString().trim()).toBe('EACCES,EACCES')
  })

  test('data that root has restored from a backup is given to the server', async () => {
    await restoreCluster()
    await run('chown', ['-R', '0:0', join(dataDir, 'postgres')])
    await using postgres = await openEmbeddedPostgres({ dataDir })
    expect(await ask(postgres.url, 'select answer from kept')).toBe(42)
  })

  test('a data folder below one that is closed to all but root works, killed or not', async () => {
    await restoreCluster()
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    const holder = await startHolder()
    expect(await ask(holder.url, 'insert into kept values (1) returning answer')).toBe(1)
    holder.child.kill('SIGKILL')
    await untilNoServer()
    await using postgres = await openEmbeddedPostgres({ dataDir })
    expect(await ask(postgres.url, 'select sum(answer)::int as answer from kept')).toBe(43)
  })

  async function allowTo(identity: Identity): Promise<void> {
    for (const path of [folder, dataDir]) await chown(path, identity.uid, identity.gid)
  }
})
