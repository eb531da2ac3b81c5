import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { VARIABLE_NAMES } from '../../src/server/configuration/config.ts'
import { openEmbeddedPostgres } from '../../src/server/postgres/embedded-postgres.ts'
import { createGraphqlClient } from '../support/graphql-client.ts'
import { type Product, runProduct, startProduct } from '../support/product.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

let dataDir: string

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'signalbox-main-'))
})

// A process that was ended at once is followed by its database, a moment later.
afterEach(() => rm(dataDir, { recursive: true, force: true, maxRetries: 10 }))

/** Linux tells; elsewhere the pool's size cannot be seen from outside. */
async function threadsOf(pid: number): Promise<number> {
  if (process.platform !== 'linux') return Infinity
  return (await readdir(`/proc/${pid}/task`)).length
}

describe('the command line', () => {
  test.each(['help', '--help', '-h'])('%s lists the commands and every variable', async (name) => {
    const { code, output } = await runProduct({ args: [name] })
    expect(code).toBe(0)
    for (const word of ['serve', 'migrate', 'create-key', 'schema', ...VARIABLE_NAMES]) expect(output).toContain(word)
  })

  test('a running product has threads for many look-ups of names at once, however it was started', async () => {
    await using product = await startProduct({ env: { UV_THREADPOOL_SIZE: '' } })
    expect(await threadsOf(product.pid)).toBeGreaterThan(100)
  })

  test('version is that of package.json', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    expect(await runProduct({ args: ['version'] })).toEqual({ code: 0, output: version })
  })

  test('a command that there is not is refused with exit code 2', async () => {
    const { code, output } = await runProduct({ args: ['sreve'] })
    expect([code, output]).toEqual([2, "error: unknown command 'sreve'\n(Did you mean serve?)"])
  })

  test('an option that there is not is refused with exit code 2, and nothing is done', async () => {
    const { code, output } = await runProduct({ args: ['migrate', '--jsno'], dataDir })
    expect([code, output]).toEqual([2, "error: unknown option '--jsno'\n(Did you mean --json?)"])
    expect(await readdir(dataDir)).toEqual([])
  })

  test('each command has its own help', async () => {
    const { output: all } = await runProduct({ args: [] })
    const names = [...all.matchAll(/^ {2}([a-z-]+)(?: \[|\s{2,})/gm)].map(([, name]) => name!)
    expect(names).toContain('serve')
    for (const name of names.filter((name) => name !== 'help')) {
      const { code, output } = await runProduct({ args: [name, '--help'] })
      expect([code, output]).toEqual([0, expect.stringContaining(`Usage: signalbox ${name}`)])
    }
  })

  test('a reader that closes its end of the pipe ends a command quietly', async () => {
    const { stdout, stderr } = await run('sh', [
      '-c',
      `"$0" "${join(root, 'src/main.ts')}" schema | head -n 1`,
      process.execPath,
    ])
    expect([stdout.trim().length > 0, stderr]).toEqual([true, ''])
  })

  test('faults of the configuration are told at once, without values and without a stack', async () => {
    const env = { SIGNALBOX_API_PORT: 'hunter2', SIGNALBOX_ADMIN_KEY: 'hunter2', SIGNALBOX_GATEWY_PORT: '1' }
    const { code, output } = await runProduct({ args: ['serve'], env, dataDir })
    expect(code).toBe(1)
    for (const name of Object.keys(env)) expect(output).toContain(name)
    expect(output).not.toMatch(/hunter2|\bat .*\.ts/)
  })

  test('schema prints the schema', async () => {
    const { code, output } = await runProduct({ args: ['schema'] })
    expect(code).toBe(0)
    expect(output).toContain('type Query {')
  })
})

describe('commands on the database', () => {
  test('migrate brings it to this version, once', async () => {
    expect(await runProduct({ args: ['migrate'], dataDir })).toMatchObject({
      code: 0,
      output: expect.stringContaining('Migrated: 0001_'),
    })
    expect(await runProduct({ args: ['migrate'], dataDir })).toEqual({ code: 0, output: 'Nothing to migrate.' })
  })

  test("create-key makes an administrator's key, beside a running server too", async () => {
    const alone = await runProduct({ args: ['create-key'], dataDir, env: { SIGNALBOX_LOG_LEVEL: 'warn' } })
    expect(alone).toEqual({ code: 0, output: expect.stringMatching(/^sbx_[A-Za-z0-9]{46}$/) })

    await using postgres = await openEmbeddedPostgres({ dataDir })
    const beside = await runProduct({ args: ['create-key'], dataDir, env: { SIGNALBOX_LOG_LEVEL: 'warn' } })
    expect(beside).toEqual({ code: 0, output: expect.stringMatching(/^sbx_[A-Za-z0-9]{46}$/) })
    expect(beside.output).not.toBe(alone.output)
    expect(postgres.url).toContain('postgres://')
  })
})

describe('serve', () => {
  const asks = (apiUrl: string, key: string) => createGraphqlClient(apiUrl, key).request('{ viewer { scopes } }')
  const messages = (product: Product) => product.logs().map(({ msg }) => msg)

  test('shows the key that it makes on the first start, once, beside the log; and ends in order on SIGTERM', async () => {
    const env = { SIGNALBOX_ADMIN_KEY: '' }
    const first = await startProduct({ dataDir, env })
    await expect.poll(first.output).toContain('GraphiQL')
    const [key = ''] = /sbx_[A-Za-z0-9]{46}/.exec(first.output()) ?? []
    expect(first.output()).toContain(`curl ${first.gatewayUrl}/v1/models -H 'authorization: Bearer ${key}'`)
    await expect(asks(first.apiUrl, key)).resolves.toBeDefined()
    expect(await first.stop()).toBe(0)
    expect(messages(first).at(-1)).toBe('stopped')
    expect(JSON.stringify(first.logs())).not.toContain(key)

    await using second = await startProduct({ dataDir, env })
    await expect(asks(second.apiUrl, key)).resolves.toBeDefined()
    expect(second.output()).not.toContain('sbx_')
  })

  test('ends at once on a second signal, although something is in flight', async () => {
    const product = await startProduct({ dataDir })
    const { port } = new URL(product.apiUrl)
    const socket = connect(Number(port), '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write('POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{')
    await expect.poll(async () => (await fetch(`${product.apiUrl}/healthz`)).status).toBe(200)
    process.kill(product.pid, 'SIGTERM')
    await expect.poll(() => messages(product)).toContainEqual(expect.stringMatching(/^draining/))
    // One that comes at once could be the first again, passed on by npm.
    const insist = setInterval(() => process.kill(product.pid, 'SIGINT'), 100)
    expect(await product.exited.finally(() => clearInterval(insist))).toBe(130)
  })

  test.each(['SIGTERM', 'SIGINT'] as const)('ends in order when npm start, as a group, gets %s', async (signal) => {
    const env = { ...process.env, SIGNALBOX_DATA_DIR: dataDir, SIGNALBOX_API_PORT: '0', SIGNALBOX_GATEWAY_PORT: '0' }
    const child = spawn('npm', ['start'], { cwd: root, env, detached: true })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    await expect.poll(() => output, { timeout: 20_000 }).toContain('"listening"')
    process.kill(signal === 'SIGINT' ? -child.pid! : child.pid!, signal)
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(output).toContain('"stopped"')
  })

  test('gives up waiting for a database that is away when it is told to stop', async () => {
    const env = {
      DATABASE_URL: 'postgres://signalbox:hunter2@127.0.0.1:1/signalbox',
      SIGNALBOX_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      SIGNALBOX_API_PORT: '0',
      SIGNALBOX_GATEWAY_PORT: '0',
    }
    const child = spawn(process.execPath, [join(root, 'src/main.ts'), 'serve'], {
      env: { ...env, SIGNALBOX_DATA_DIR: dataDir },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    await expect.poll(() => output, { timeout: 20_000 }).toContain('cannot be reached')
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(output).not.toContain('hunter2')
  })

  test('that finds its data folder in use names the process that has it; a port in use, the variable', async () => {
    await using product = await startProduct({ dataDir })
    const env = { SIGNALBOX_API_PORT: '0', SIGNALBOX_GATEWAY_PORT: '0' }
    const sameFolder = await runProduct({ args: ['serve'], dataDir, env })
    expect(sameFolder.code).toBe(1)
    expect(sameFolder.output).toContain(`is in use by process ${product.pid} (`)

    const other = join(dataDir, 'other')
    for (const [name, url] of [
      ['SIGNALBOX_API_PORT', product.apiUrl],
      ['SIGNALBOX_GATEWAY_PORT', product.gatewayUrl],
    ] as const) {
      const samePort = await runProduct({ args: ['serve'], dataDir: other, env: { ...env, [name]: new URL(url).port } })
      expect(samePort.code).toBe(1)
      expect(samePort.output).toContain(`set ${name} to another port`)
    }
  })
})

describe('an old Node', () => {
  const asVersion = (version: string) => {
    const pretend = `Object.defineProperty(process.versions, 'node', { value: '${version}' })`
    const imports = [`data:text/javascript,${encodeURIComponent(pretend)}`, join(root, 'src/require-node.js')]
    return run(process.execPath, [...imports.flatMap((module) => ['--import', module]), '-e', '0'])
  }

  test.each(['18.20.8', '20.20.2', '22.18.0'])('%s is told what is needed and what to do', async (version) => {
    const failure = await asVersion(version).catch((error: unknown) => error as { code: number; stderr: string })
    expect(failure).toMatchObject({ code: 1, stderr: expect.stringContaining('Signalbox needs Node 24 or newer') })
  })

  test.each(['24.0.0', '24.21.0', '26.1.0'])('%s is none', async (version) => {
    expect(await asVersion(version)).toMatchObject({ stderr: '' })
  })
})
