/** The scripts of `examples/`, run as a user runs them: a process with the addresses and the key in its environment. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import type { Product } from './product.ts'
import { until } from './until.ts'

/** The folder `examples/`. */
export const examplesDir = join(import.meta.dirname, '../../examples')

/** Whether the programs are installed. Throws without one if `SIGNALBOX_EXAMPLES_REQUIRED` is set; else it says so. */
export function hasPrograms(...programs: readonly string[]): boolean {
  const absent = programs.filter((program) => spawnSync(program, ['--version']).error)
  if (absent.length === 0) return true
  const message = `There is no ${absent.join(', ')}: examples do not run. On Debian: apt-get install ${absent.join(' ')}.`
  if (process.env['SIGNALBOX_EXAMPLES_REQUIRED']) throw new Error(message)
  process.stderr.write(`\n${message}\n\n`)
  return false
}

export interface ExampleOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
}

export interface ExampleRun extends AsyncDisposable {
  /** What it wrote so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  /** Sends a signal to it. */
  readonly signal: (name: NodeJS.Signals) => void
  /** Its exit code, or the name of the signal that ended it. */
  readonly exited: Promise<number | string>
  /** Waits until its output matches. Throws with the output if it ends before. */
  readonly says: (pattern: RegExp) => Promise<void>
}

/** Starts `examples/<file>`, or a copy of one by its absolute path. Disposing ends it if it still runs. */
export function startExample(product: Product, file: string, options: ExampleOptions = {}): ExampleRun {
  const [command, ...before] = commandOf(file)
  const child = spawn(command, [...before, resolve(examplesDir, file), ...(options.args ?? [])], {
    env: {
      ...process.env,
      SIGNALBOX_URL: product.apiUrl,
      SIGNALBOX_GATEWAY_URL: product.gatewayUrl,
      SIGNALBOX_KEY: product.adminKey,
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => void (written[name] += text))
  const exited = once(child, 'close').then(([code, signal]: (number | string | null)[]) => code ?? signal ?? 'unknown')
  return {
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    signal: (name) => void child.kill(name),
    exited,
    says: (pattern) => outputMatches(child, pattern, () => written.stdout + written.stderr),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** Runs `examples/<file>` to its end. */
export async function runExample(product: Product, file: string, options: ExampleOptions = {}) {
  await using run = startExample(product, file, options)
  return { code: await run.exited, stdout: run.stdout(), stderr: run.stderr() }
}

function commandOf(file: string): [string, ...string[]] {
  if (file.endsWith('.sh')) return ['bash']
  // Unbuffered, so that a test sees a line when it is written.
  return file.endsWith('.py') ? ['python3', '-u'] : [process.execPath]
}

async function outputMatches(child: ChildProcess, pattern: RegExp, output: () => string): Promise<void> {
  await until(() => pattern.test(output()) || child.exitCode !== null, { what: String(pattern), timeoutMs: 120_000 })
  if (!pattern.test(output())) throw new Error(`the example ended before it said ${String(pattern)}:\n${output()}`)
}
