/** A real Chromium, as Debian packages it. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const executablePath = process.env['SIGNALBOX_CHROMIUM'] ?? '/usr/bin/chromium'

/** Whether tests with a browser can run here. Throws without one if `SIGNALBOX_BROWSER_REQUIRED` is set; else it says so. */
export function hasBrowser(): boolean {
  if (existsSync(executablePath)) return true
  const message = `There is no ${executablePath}: the tests of the console do not run. On Debian: apt-get install chromium.`
  if (process.env['SIGNALBOX_BROWSER_REQUIRED']) throw new Error(message)
  process.stderr.write(`\n${message}\n\n`)
  return false
}

export interface BrowserWindow extends AsyncDisposable {
  readonly page: Page
  readonly context: BrowserContext
  /** What the page asked from other origins than its own, and what it wrote to its console as errors. */
  readonly strangers: readonly string[]
  readonly faults: readonly string[]
}

/** A browser with an empty profile. Disposing closes it and removes the profile. */
export async function openBrowser(origin: string, options: BrowserContextOptions = {}): Promise<BrowserWindow> {
  const profile = await mkdtemp(join(tmpdir(), 'sbx-chromium-'))
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
    ...options,
  })
  context.setDefaultTimeout(60_000)
  const strangers: string[] = []
  const faults: string[] = []
  context.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) strangers.push(request.url())
  })
  const page = context.pages()[0] ?? (await context.newPage())
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text())
  })
  page.on('pageerror', (error) => faults.push(String(error)))
  return {
    page,
    context,
    strangers,
    faults,
    async [Symbol.asyncDispose]() {
      await context.close()
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
