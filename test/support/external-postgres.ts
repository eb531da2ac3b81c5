/** A PostgreSQL server as an operator has one: Debian's, on a TCP port, with TLS and rules of its own. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, globSync, mkdirSync, mkdtempSync, chmodSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { until } from './until.ts'
import { freePort } from './ports.ts'

/** The folders of programs of the servers that are installed here (Debian: `apt-get install postgresql`), by their versions. */
export const installedServers: readonly { readonly version: string; readonly bin: string }[] = globSync(
  '/usr/lib/postgresql/*/bin',
).map((bin) => ({ version: bin.split('/')[4]!, bin }))

export interface ExternalPostgres extends AsyncDisposable {
  readonly port: number
  /** Of the owner `signalbox`, without TLS parameters: `postgres://signalbox@localhost:<port>/signalbox`. */
  readonly url: string
  /** With the certificates in it: `ca.pem`, `client.pem`, `client.key`, `stranger.pem`, `stranger.key`. */
  readonly folder: string
  /** As the superuser. */
  readonly administer: (statement: string, database?: string) => Promise<void>
  restart(): Promise<void>
}

const nobody = 65_534

export interface ExternalPostgresOptions {
  /** Who may come in over TCP, as lines of pg_hba.conf; default: everybody. */
  readonly hba?: string
  /** PostgreSQL's own. */
  readonly settings?: Readonly<Record<string, string>>
}

/** TLS is on, and nobody has to use it unless `hba` says so. */
export async function openExternalPostgres(
  bin: string,
  { hba = 'host all all all trust', settings = {} }: ExternalPostgresOptions = {},
): Promise<ExternalPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-external-'))
  chmodSync(folder, 0o755)
  makeCertificates(folder)
  const account = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {}
  const data = join(folder, 'data')
  mkdirSync(data)
  if (account.uid !== undefined) for (const path of [data, join(folder, 'server.key')]) chownSync(path, nobody, nobody)
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-N'], {
    ...account,
    stdio: 'ignore',
    cwd: '/',
  })
  writeFileSync(join(data, 'pg_hba.conf'), `local all all trust\n${hba}\n`)
  const port = await freePort()
  const all = {
    port: String(port),
    listen_addresses: 'localhost',
    unix_socket_directories: data,
    ssl: 'on',
    ssl_cert_file: join(folder, 'server.pem'),
    ssl_key_file: join(folder, 'server.key'),
    ssl_ca_file: join(folder, 'ca.pem'),
    fsync: 'off',
    ...settings,
  }
  const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const start = () => spawn(join(bin, 'postgres'), ['-D', data, ...args], { ...account, stdio: 'ignore', cwd: '/' })
  let server = start()
  const administer = async (statement: string, database = 'postgres') => {
    const client = new Client({ host: data, port, user: 'postgres', database })
    await client.connect()
    try {
      await client.query(statement)
    } finally {
      await client.end()
    }
  }
  const untilReady = () =>
    until(() =>
      administer('select 1').then(
        () => true,
        () => false,
      ),
    )
  const stop = async () => {
    const exited = once(server, 'exit')
    server.kill('SIGINT')
    await exited
  }
  await untilReady()
  await administer('create role signalbox login')
  await administer('create database signalbox owner signalbox')
  return {
    port,
    url: `postgres://signalbox@localhost:${port}/signalbox`,
    folder,
    administer,
    async restart() {
      await stop()
      server = start()
      await untilReady()
    },
    async [Symbol.asyncDispose]() {
      await stop()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** An authority, a server `localhost` and a client `signalbox` of it, and a stranger who has the client's name from another authority. */
function makeCertificates(folder: string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
  for (const authority of ['ca', 'other'])
    openssl(...key(authority), '-x509', '-days', '2', '-subj', `/CN=${authority}`)
  for (const [name, subject, authority] of [
    ['server', 'localhost', 'ca'],
    ['client', 'signalbox', 'ca'],
    ['stranger', 'signalbox', 'other'],
  ] as const) {
    openssl(...key(name), '-subj', `/CN=${subject}`, '-addext', `subjectAltName=DNS:${subject}`)
    const signing = [
      '-CA',
      `${authority}.pem`,
      '-CAkey',
      `${authority}.key`,
      '-CAcreateserial',
      '-copy_extensions',
      'copy',
    ]
    openssl('x509', '-req', '-in', `${name}.pem`, '-out', `${name}.crt`, '-days', '2', ...signing)
    execFileSync('mv', [`${name}.crt`, `${name}.pem`], { cwd: folder })
    chmodSync(join(folder, `${name}.key`), 0o600)
  }
}

function key(name: string): string[] {
  return [
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.pem`,
  ]
}

/** Whether certificates can be made here. */
export const hasOpenssl = spawnSync('openssl', ['version']).status === 0
