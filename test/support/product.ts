/** The whole product, started as a user starts it: a process of its own, with its own data. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createGraphqlClient, type GraphqlClient } from './graphql-client.ts'

export interface ProductOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Default: a new temporary folder, removed at the end. */
  readonly dataDir?: string
  /** Default: `serve`. */
  readonly args?: readonly string[]
  /** Put before the command, e.g. `['taskset', '-c', '0']`. */
  readonly wrapper?: readonly string[]
  readonly startTimeoutMs?: number
  /** The program's first file; default: that of this checkout. */
  readonly main?: string
}

interface LogLine {
  readonly level?: number
  readonly msg?: string
  readonly [field: string]: unknown
}

export interface Product extends AsyncDisposable {
  readonly pid: number
  /** e.g. `http://127.0.0.1:40001`; empty if its role has none. */
  readonly apiUrl: string
  readonly gatewayUrl: string
  readonly adminKey: string
  /** With the administrator's key. */
  readonly graphql: GraphqlClient
  readonly dataDir: string
  /** Everything it wrote to stdout and stderr so far. */
  readonly output: () => string
  /** The lines of `output` that are JSON. */
  readonly logs: () => readonly LogLine[]
  /** SIGTERM; the exit code, or the signal's name if it had to be killed after 30 s. */
  readonly stop: () => Promise<number | string>
  /** `kill -9`, and its end. */
  readonly kill9: () => Promise<void>
  readonly exited: Promise<number | string>
}

const main = join(import.meta.dirname, '../../src/main.ts')
const running = new Set<ChildProcess>()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

/** A running product that answers on its ports. Throws with its output if it ends before, or takes longer than a minute. */
export async function startProduct(options: ProductOptions = {}): Promise<Product> {
  const ownDir = options.dataDir === undefined ? await openFolder() : undefined
  const dataDir = options.dataDir ?? join(ownDir ?? '', 'data')
  const adminKey = options.env?.['SIGNALBOX_ADMIN_KEY'] ?? 'administrator-of-a-test'
  const { child, exited } = run(options, {
    SIGNALBOX_DATA_DIR: dataDir,
    SIGNALBOX_API_PORT: '0',
    SIGNALBOX_GATEWAY_PORT: '0',
    SIGNALBOX_ADMIN_KEY: adminKey,
    ...options.env,
  })
  const output = collect(child)
  const removeFolder = async () => {
    if (ownDir) await rm(ownDir, { recursive: true, force: true, maxRetries: 3 })
  }

  const stop = async () => {
    child.kill('SIGTERM')
    const patience = setTimeout(() => child.kill('SIGKILL'), 30_000)
    const ending = await exited
    clearTimeout(patience)
    await removeFolder()
    return ending
  }
  const kill9 = async () => {
    child.kill('SIGKILL')
    await exited
  }

  try {
    const line = await Promise.race([listening(output), endedEarly(exited, output), tooSlow(options, output)])
    return {
      pid: child.pid ?? 0,
      apiUrl: line.api ?? '',
      gatewayUrl: line.gateway ?? '',
      adminKey,
      graphql: createGraphqlClient(line.api ?? '', adminKey),
      dataDir,
      output: () => output.lines.join('\n'),
      logs: () => output.lines.flatMap(asLogLine),
      stop,
      kill9,
      exited,
      [Symbol.asyncDispose]: async () => void (await stop()),
    }
  } catch (error) {
    await kill9()
    await removeFolder()
    throw error
  }
}

/** Runs one command of the product to its end, e.g. `migrate`: exit code and output. */
export async function runProduct(options: ProductOptions): Promise<{ code: number | string; output: string }> {
  const { child, exited } = run(options, options.dataDir === undefined ? {} : { SIGNALBOX_DATA_DIR: options.dataDir })
  const output = collect(child)
  const code = await exited
  await output.ended
  return { code, output: output.lines.join('\n') }
}

function run(options: ProductOptions, defaults: Readonly<Record<string, string>>) {
  const words = [...(options.wrapper ?? []), process.execPath, options.main ?? main, ...(options.args ?? ['serve'])]
  const [command = '', ...args] = words
  const child = spawn(command, args, {
    env: { ...inherited(), ...defaults, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const exited = once(child, 'exit').then(([code, signal]: (number | string | null)[]) => {
    running.delete(child)
    return code ?? signal ?? 'unknown'
  })
  return { child, exited }
}

// The product's own settings come from the test alone, whatever stands in the shell that runs it.
function inherited(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !/^(SIGNALBOX_|DATABASE_URL$|NODE_OPTIONS$|VITEST)/.test(entry[0]),
  )
  return Object.fromEntries(entries)
}

interface Output {
  readonly lines: string[]
  readonly onLine: Set<() => void>
  readonly ended: Promise<unknown>
}

function collect(child: ChildProcess): Output {
  const output = { lines: [] as string[], onLine: new Set<() => void>() }
  const ends = [child.stdout, child.stderr].map((input) => {
    if (!input) return Promise.resolve()
    const lines = createInterface({ input })
    lines.on('line', (line) => {
      output.lines.push(line)
      for (const notify of output.onLine) notify()
    })
    return once(lines, 'close')
  })
  return { ...output, ended: Promise.all(ends) }
}

// Temporary folders are 0700; the embedded PostgreSQL of a root user runs as another user and has to get through.
async function openFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sbx-'))
  await chmod(folder, 0o755)
  return folder
}

interface ListeningLine {
  readonly api?: string
  readonly gateway?: string
}

function listening(output: Output): Promise<ListeningLine> {
  const found = Promise.withResolvers<ListeningLine>()
  const look = () => {
    const line = output.lines.flatMap(asLogLine).find(isListeningLine)
    if (!line) return
    output.onLine.delete(look)
    found.resolve(line)
  }
  output.onLine.add(look)
  look()
  return found.promise
}

function isListeningLine(line: LogLine): line is LogLine & ListeningLine {
  return line.msg === 'listening'
}

async function endedEarly(exited: Promise<number | string>, output: Output): Promise<never> {
  const code = await exited
  await output.ended
  throw new Error(`the product ended with ${code} before it listened:\n${output.lines.join('\n')}`)
}

function tooSlow(options: ProductOptions, output: Output): Promise<never> {
  const late = Promise.withResolvers<never>()
  const report = () => late.reject(new Error(`the product does not listen yet:\n${output.lines.join('\n')}`))
  setTimeout(report, options.startTimeoutMs ?? 60_000).unref()
  return late.promise
}

function asLogLine(text: string): LogLine[] {
  if (!text.startsWith('{')) return []
  try {
    return [JSON.parse(text) as LogLine]
  } catch {
    return []
  }
}
