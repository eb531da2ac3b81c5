/** What tests of the console do in a browser. */
import axe from 'axe-core'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { type BrowserWindow, openBrowser } from '../support/browser.ts'

/** A browser that is signed in, at `path` below the console. */
export async function openConsole(
  consoleUrl: string,
  key: string,
  { path = '', ...options }: BrowserContextOptions & { readonly path?: string } = {},
): Promise<BrowserWindow> {
  const window = await openBrowser(new URL(consoleUrl).origin, options)
  await window.page.goto(`${consoleUrl}${path}`)
  await signIn(window.page, key)
  return window
}

export async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel('Key', { exact: true }).fill(key)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Sign out' }).waitFor()
}

interface Findings {
  readonly violations: readonly {
    readonly id: string
    readonly impact: string
    readonly nodes: readonly { html: string }[]
  }[]
}

/** What axe calls serious or critical. The page's policy must be bypassed, or axe cannot be put into it. */
export async function seriousFindings(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate<Findings>('axe.run()')
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}
