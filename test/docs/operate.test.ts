/** Every command of docs/operate.md, as it is pasted, in its order, on a real installation. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../src/storage/database/database.ts'
import { openEmbeddedPostgres } from '../../src/server/postgres/embedded-postgres.ts'
import { documentBlocks, type DocumentBlock, readDocument, repositoryDir } from '../support/document-blocks.ts'
import { type Product, startProduct } from '../support/product.ts'
import { until } from '../support/until.ts'
import { untilNothingPends } from '../support/usage-api.ts'
import { openUpstream } from '../support/upstream.ts'

const page = readDocument('docs/operate.md')
const blocks = documentBlocks(page).filter(({ language }) => language === 'sh')
const isByHand = ({ marks }: DocumentBlock) => marks.has('by-hand')
const isInstalled = (program: string) => spawnSync(program, ['--version']).error === undefined

/** The address that the page has for the operator's database. */
const documentedUrl = 'postgres://signalbox@db.example.com/signalbox?sslmode=verify-full'

const opened = new AsyncDisposableStack()
let folder: string
let product: Product | undefined
let external: { readonly url: string; readonly database: Database }
/** What the operator's shell keeps from one block to the next. */
const shell: Record<string, string> = { SIGNALBOX_API_PORT: '0', SIGNALBOX_GATEWAY_PORT: '0' }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sbx-operate-'))
  await chmod(folder, 0o755)
  opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  for (const name of ['src', 'deploy', 'docs', 'bench', 'package.json', 'node_modules'])
    await symlink(join(repositoryDir, name), join(folder, name))
  await mkdir(join(folder, 'bin'))
  const main = join(repositoryDir, 'src/main.ts')
  await writeFile(join(folder, 'bin/signalbox'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, {
    mode: 0o755,
  })
  // A server of its own: `grants` makes a role, which all databases of a server share.
  const postgres = opened.use(await openEmbeddedPostgres({ dataDir: join(folder, 'external') }))
  external = { url: postgres.url, database: opened.use(openDatabase({ url: postgres.url, maxConnections: 1 })) }
})
afterAll(async () => {
  await product?.stop()
  await opened.disposeAsync()
})

const dataDir = () => join(folder, 'data')

/** What must be so before the commands below a heading, beyond what the page did before. */
const stages: Readonly<Record<string, () => Promise<void>>> = {
  async 'What is wrong?'() {
    const upstream = opened.use(await openUpstream({ name: 'llama' }))
    product = await startProduct({ dataDir: dataDir() })
    shell['SIGNALBOX_DATA_DIR'] = dataDir()
    await product.graphql.change(
      `mutation ($url: URL!) { deploymentCreate(input: { name: "assistant", endpoints: [{ url: $url }], secret: "sk-test" }) {
        userErrors { message } } }`,
      { url: upstream.baseUrl },
    )
    const answer = await fetch(`${product.gatewayUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${product.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'assistant', messages: [{ role: 'user', content: 'Hello' }] }),
    })
    expect(answer.status).toBe(200)
    await answer.arrayBuffer()
    await untilNothingPends(product.graphql)
  },
  async 'From the embedded database to an external one'() {
    await product!.stop()
  },
  async 'Many machines'() {
    const { stdout } = await run('cat data/encryption-key')
    shell['SIGNALBOX_ENCRYPTION_KEY'] = stdout.trim()
    shell['DATABASE_URL'] = external.url
    product = await startProduct({ dataDir: dataDir(), env: shell })
  },
  async 'Metrics of gateways'() {
    shell['SIGNALBOX_KEY'] = product!.adminKey
    await Promise.resolve()
  },
  async 'Keys lost, and keys rotated'() {
    // Each process has the key before and the new one first; here nothing runs.
    await product!.stop()
    product = undefined
  },
}

function asOfThisTest(text: string): string {
  return text
    .replaceAll(documentedUrl, `'${external.url}'`)
    .replaceAll('http://127.0.0.1:4000', product?.apiUrl ?? '')
    .replaceAll('npx node', 'node')
}

function start(text: string, { keepsExports = true } = {}): ChildProcess {
  const script = keepsExports ? `${asOfThisTest(text)}\nenv -0 > '${folder}/exported'` : asOfThisTest(text).trim()
  const env = { ...process.env, ...shell }
  env['PATH'] = `${join(folder, 'bin')}:${join(repositoryDir, 'node_modules/.bin')}:${process.env['PATH']}`
  return spawn('sh', ['-ec', script], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
}

async function run(text: string): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const child = start(text)
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]!.setEncoding('utf8').on('data', (piece: string) => void (written[name] += piece))
  const [code] = (await once(child, 'close')) as [unknown]
  if (code === 0) await keepExports()
  return { code, ...written }
}

/** A block that sets variables sets them for the blocks behind it, as in one shell. */
async function keepExports(): Promise<void> {
  const entries = (await readFile(join(folder, 'exported'), 'utf8')).split('\0').map((entry) => entry.split(/=(.*)/s))
  for (const [name, value] of entries) if (/^(SIGNALBOX_|DATABASE_URL$)/.test(name!)) shell[name!] = value!
}

/** Ends it as Ctrl-C does when it has begun to read. */
async function runUntilInterrupted(text: string): Promise<unknown> {
  // In the shell's own place, or the shell would end by the signal.
  const child = start(`exec ${text}`, { keepsExports: false })
  const exited = once(child, 'exit')
  const lines: string[] = []
  child.stdout!.setEncoding('utf8').on('data', (piece: string) => void lines.push(piece))
  await until(() => lines.length > 0 || child.exitCode !== null)
  process.kill(-child.pid!, 'SIGINT')
  const [code] = (await exited) as [unknown]
  return code
}

/** Those behind it would fail for its sake. */
function requireSuccess(text: string, code: unknown, stderr: string): void {
  if (code !== 0) throw new Error(`${text} ended with ${String(code)}\n${stderr}`)
}

test('every command of the page does what the page says, one after the other', { timeout: 600_000 }, async () => {
  const runnable = blocks.filter((block) => !isByHand(block))
  expect(runnable.length).toBeGreaterThan(14)
  const absent: string[] = []
  const reached = new Set<string>()
  for (const { heading, marks, text } of runnable) {
    if (!reached.has(heading)) await stages[heading]?.()
    reached.add(heading)
    const program = marks.get('with')
    if (program !== undefined && !isInstalled(program)) {
      absent.push(`${program}: ${text}`)
      continue
    }
    if (marks.has('until-interrupted')) {
      requireSuccess(text, await runUntilInterrupted(text), '')
      continue
    }
    const { code, stdout, stderr } = await run(text)
    requireSuccess(text, stdout.includes('"errors"') ? stdout : code, stderr)
  }
  expect(Object.keys(stages).filter((heading) => !reached.has(heading))).toEqual([])
  if (absent.length > 0) process.stderr.write(`NOT RUN, for want of a program:\n${absent.join('\n')}\n`)

  // What the commands left behind.
  expect(existsSync(join(folder, 'signalbox.backup'))).toBe(true)
  const { rows } = await sql<{ routes: number; records: number; role: number }>`
    select (select count(*)::int from route) as routes, (select count(*)::int from usage_record) as records,
      (select count(*)::int from pg_roles where rolname = 'signalbox_gateway') as role`.execute(external.database.db)
  expect(rows).toEqual([{ routes: 1, records: 1, role: isInstalled('psql') ? 1 : 0 }])
})

test('what the test cannot run is counted, and names only files, options and variables that exist', () => {
  const byHand = blocks.filter(isByHand)
  const counts = new Map<string, number>()
  for (const { marks } of byHand) counts.set(marks.get('by-hand')!, (counts.get(marks.get('by-hand')!) ?? 0) + 1)
  process.stderr.write(`NOT RUN, by hand: ${[...counts].map(([what, count]) => `${what} ${count}`).join(', ')}\n`)
  expect(Object.fromEntries(counts)).toEqual({ docker: 2, kubernetes: 1, systemd: 1, proxy: 1 })
  for (const { text } of byHand) {
    const paths = [...text.matchAll(/\bdeploy\/[\w./-]*\w/g)]
      .map(([path]) => path)
      .filter((path) => path !== 'deploy/.env')
    expect({ text, absent: paths.filter((path) => !existsSync(join(repositoryDir, path))) }).toEqual({
      text,
      absent: [],
    })
    expect({ text, syntax: spawnSync('sh', ['-n', '-c', text]).stderr.toString() }).toEqual({ text, syntax: '' })
  }
})
