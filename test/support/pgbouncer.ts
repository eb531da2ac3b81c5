/** A real PgBouncer in front of the tests' PostgreSQL, where it is installed (Debian: `apt-get install pgbouncer`). */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from './until.ts'
import { freePort, isListening } from './ports.ts'

export const hasPgBouncer = spawnSync('pgbouncer', ['--version']).status === 0

export interface PgBouncer extends AsyncDisposable {
  /** The same database, through the pooler. */
  readonly url: string
}

/** With the settings that Debian ships, but for addresses and authentication: those would need its users' passwords. */
export async function openPgBouncer(url: string, mode: 'session' | 'transaction'): Promise<PgBouncer> {
  const { hostname, port, searchParams, pathname, username } = new URL(url)
  const folder = await mkdtemp(join(tmpdir(), 'pgbouncer-'))
  await chmod(folder, 0o755)
  const listenPort = await freePort()
  const host = searchParams.get('host') ?? hostname
  const user = searchParams.get('user') ?? (username || 'postgres')
  const settings = join(folder, 'pgbouncer.ini')
  await writeFile(
    settings,
    [
      '[databases]',
      `* = host=${host} port=${port || 5432} user=${user}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${listenPort}`,
      'unix_socket_dir =',
      'auth_type = any',
      `pool_mode = ${mode}`,
      'max_client_conn = 200',
      'default_pool_size = 30',
    ].join('\n'),
    { mode: 0o644 },
  )
  // It does not run as root.
  const account = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  const child = spawn('pgbouncer', [settings], { ...account, stdio: 'ignore' })
  await until(() => isListening(listenPort))
  return {
    url: `postgres://${user}@127.0.0.1:${listenPort}${pathname}`,
    async [Symbol.asyncDispose]() {
      await end(child)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
