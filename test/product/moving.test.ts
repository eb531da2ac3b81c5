/** An installation moves: to an external database, and by a backup to another machine. Its keys work there, and its usage is whole. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestDatabase } from '../support/database.ts'
import { type Product, runProduct, startProduct } from '../support/product.ts'
import { readUsage, untilNothingPends } from '../support/usage-api.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'

const main = join(import.meta.dirname, '../../src/main.ts')
const asked = 5
let upstream: Upstream
let folder: string
let secret: string
const dataDir = () => join(folder, 'data')
const backup = () => join(folder, 'backup')

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sbx-moving-'))
  await chmod(folder, 0o755)
  upstream = await openUpstream({ name: 'llama' })
}, 60_000)
afterAll(async () => {
  await upstream[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

async function ask({ gatewayUrl }: Product, model = 'llama'): Promise<number> {
  const answer = await fetch(`${gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Who are you?' }] }),
  })
  await answer.text()
  return answer.status
}

/** What was used when it moved stands in its report, and what comes is added. */
async function expectWhole(product: Product): Promise<void> {
  expect((await readUsage(product.graphql)).totals).toMatchObject({ requests: asked, attempts: asked })
  expect(await ask(product)).toBe(200)
  await untilNothingPends(product.graphql)
  expect((await readUsage(product.graphql)).totals.requests).toBe(asked + 1)
}

test(
  'the log is printed beside a running server, with filters, and followed until SIGINT',
  { timeout: 120_000 },
  async () => {
    await using product = await startProduct({ dataDir: dataDir() })
    await product.graphql.change(
      `mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { route { name } userErrors { message } } }`,
      { input: { name: 'llama', endpoints: [{ url: upstream.baseUrl }], secret: 'sk-of-llama' } },
    )
    const made = await product.graphql.change<{ secret: string }>(
      `mutation { apiKeyCreate(input: { name: "first" }) { secret userErrors { message } } }`,
      {},
    )
    secret = made.secret
    for (let n = 1; n < asked; n++) expect(await ask(product)).toBe(200)
    await untilNothingPends(product.graphql)
    const logs = async (...args: string[]) =>
      (await runProduct({ args: ['logs', ...args], dataDir: dataDir() })).output.split('\n').filter(Boolean)
    expect((await logs('--json', '--limit', '3')).map((line) => JSON.parse(line) as object)).toEqual(
      Array.from({ length: 3 }, () => expect.objectContaining({ routeName: 'llama', outcome: 'OK', status: 200 })),
    )
    expect(await logs('--route', 'llama', '--key', 'first', '--backend', 'llama', '--since', '1h')).toHaveLength(
      asked - 1,
    )
    expect(await logs('--route', 'other')).toEqual([])
    expect(await logs('--since', '2100-01-01T00:00:00Z')).toEqual([])
    expect(await runProduct({ args: ['logs', '--outcome', 'WONDERFUL'], dataDir: dataDir() })).toMatchObject({
      code: 2,
    })

    const follower = spawn(process.execPath, [main, 'logs', '--follow', '--limit', '1'], {
      env: { ...process.env, SIGNALBOX_DATA_DIR: dataDir() },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const lines = createInterface({ input: follower.stdout })[Symbol.asyncIterator]()
    const before = await lines.next()
    expect(await ask(product)).toBe(200)
    const next = await lines.next()
    expect(String(next.value)).toContain(' llama backend=llama key=first ')
    expect(next.value).not.toBe(before.value)
    follower.kill('SIGINT')
    expect(await once(follower, 'exit')).toEqual([0, null])

    await untilNothingPends(product.graphql)
    expect(await runProduct({ args: ['backup', backup()], dataDir: dataDir() })).toMatchObject({ code: 0 })
    await using target = await openTestDatabase({ migrated: false })
    const refused = await runProduct({ args: ['move'], dataDir: dataDir(), env: { DATABASE_URL: target.url } })
    expect(refused).toMatchObject({ code: 4, output: expect.stringContaining('Stop it') })
  },
)

test('after move the external database serves: keys work, and usage is whole', { timeout: 120_000 }, async () => {
  await using target = await openTestDatabase({ migrated: false })
  const env = { DATABASE_URL: target.url }
  const moved = await runProduct({ args: ['move', '--json'], dataDir: dataDir(), env })
  expect(moved.code).toBe(0)
  const report = JSON.parse(moved.output.split('\n').at(-1) ?? '') as { encryptionKeyFile: string }
  const key = (await readFile(report.encryptionKeyFile, 'utf8')).trim()
  expect(moved.output).not.toContain(key)
  {
    await using product = await startProduct({ dataDir: dataDir(), env: { ...env, SIGNALBOX_ENCRYPTION_KEY: key } })
    await expectWhole(product)
  }
  const again = await runProduct({ args: ['move'], dataDir: dataDir(), env })
  expect(again).toMatchObject({ code: 4, output: expect.stringContaining('--replace') })
  expect(await runProduct({ args: ['move'], dataDir: dataDir() })).toMatchObject({ code: 2 })
})

test('a backup that is restored elsewhere serves: keys work, and usage is whole', { timeout: 120_000 }, async () => {
  const restored = join(folder, 'restored')
  const env = { SIGNALBOX_ENCRYPTION_KEY: (await readFile(join(dataDir(), 'encryption-key'), 'utf8')).trim() }
  expect(await runProduct({ args: ['restore', backup()], dataDir: restored, env })).toMatchObject({ code: 0 })
  await using product = await startProduct({ dataDir: restored, env })
  await expectWhole(product)
  const upstreamKeys = new Set(upstream.inferences.map(({ headers }) => headers.authorization))
  expect([...upstreamKeys]).toEqual(['Bearer sk-of-llama'])
})

test('a backup to stdout is a backup', { timeout: 120_000 }, async () => {
  const child = spawn(process.execPath, [main, 'backup', '-'], {
    env: { ...process.env, SIGNALBOX_DATA_DIR: dataDir(), SIGNALBOX_LOG_LEVEL: 'silent' },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const pieces: Buffer[] = []
  child.stdout.on('data', (piece: Buffer) => void pieces.push(piece))
  expect(await once(child, 'close')).toEqual([0, null])
  await writeFile(join(folder, 'piped'), Buffer.concat(pieces))
  await using target = await openTestDatabase({ migrated: false })
  const env = {
    DATABASE_URL: target.url,
    SIGNALBOX_ENCRYPTION_KEY: (await readFile(join(dataDir(), 'encryption-key'), 'utf8')).trim(),
  }
  const restored = await runProduct({ args: ['restore', join(folder, 'piped')], dataDir: join(folder, 'x'), env })
  expect(restored).toMatchObject({ code: 0 })
})
