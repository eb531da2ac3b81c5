import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { VARIABLE_NAMES } from '../src/server/config.ts'
import { openEmbeddedPostgres } from '../src/server/embedded-postgres.ts'
import { runProduct } from './support/product.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')

let dataDir: string

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'signalbox-main-'))
})

afterEach(() => rm(dataDir, { recursive: true, force: true }))

describe('the command line', () => {
  test.each(['help', '--help', '-h'])('%s lists the commands and every variable', async (name) => {
    const { code, output } = await runProduct({ args: [name] })
    expect(code).toBe(0)
    for (const word of ['serve', 'migrate', 'create-key', 'schema', ...VARIABLE_NAMES]) expect(output).toContain(word)
  })

  test('version is that of package.json', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    expect(await runProduct({ args: ['version'] })).toEqual({ code: 0, output: version })
  })

  test('a command that there is not is refused with exit code 2', async () => {
    const { code, output } = await runProduct({ args: ['sreve'] })
    expect([code, output]).toEqual([2, 'There is no command "sreve". "help" lists those that there are.'])
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

describe('an old Node', () => {
  const asVersion = (version: string) => {
    const pretend = `Object.defineProperty(process.versions, 'node', { value: '${version}' })`
    const imports = [`data:text/javascript,${encodeURIComponent(pretend)}`, join(root, 'src/require-node.js')]
    return run(process.execPath, [...imports.flatMap((module) => ['--import', module]), '-e', '0'])
  }

  test.each(['18.20.8', '20.20.2', '22.18.0'])('%s is told what is needed and what to do', async (version) => {
    const failure = await asVersion(version).catch((error: unknown) => error as { code: number; stderr: string })
    expect(failure).toMatchObject({ code: 1, stderr: expect.stringContaining('Signalbox needs Node 22.19 or newer') })
  })

  test.each(['22.19.0', '24.0.0', '26.1.0'])('%s is none', async (version) => {
    expect(await asVersion(version)).toMatchObject({ stderr: '' })
  })
})
