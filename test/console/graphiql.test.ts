/** GraphiQL in a real browser: the window, the first visit, the tabs, the key, dark, the cache, below a prefix. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exampleTabs } from '../../src/graphql/graphiql/examples.ts'
import { type BrowserWindow, hasBrowser, openBrowser } from '../support/browser.ts'
import { type Product, startProduct } from '../support/product.ts'
import { until } from '../support/until.ts'
import { openProxy } from './proxy.ts'

const names = exampleTabs.map(({ query }) => query.split('\n')[0]!.slice(2))

describe.runIf(hasBrowser())('GraphiQL', () => {
  let product: Product
  beforeAll(async () => {
    product = await startProduct()
  })
  afterAll(async () => {
    await product?.stop()
  })

  async function visit(url: string, colorScheme: 'light' | 'dark' = 'light'): Promise<BrowserWindow> {
    const window = await openBrowser(new URL(url).origin, { colorScheme, viewport: { width: 1100, height: 700 } })
    await window.page.goto(url)
    return window
  }
  async function giveKey(page: Page, key = product.adminKey): Promise<void> {
    await page.getByLabel('Key', { exact: true }).fill(key)
    await page.getByRole('button', { name: 'Use it' }).click()
  }
  const tabNames = (page: Page) =>
    page
      .locator('.graphiql-tab-button')
      .evaluateAll((tabs) => tabs.map((tab) => tab.getAttribute('data-name') ?? tab.textContent))
  const hasTabs = (page: Page) =>
    until(async () => (await tabNames(page)).join() === names.join(), { timeoutMs: 60_000 })
  /** What the editor shows, which Monaco draws line by line. */
  const editorText = async (page: Page) =>
    (await page.locator('.graphiql-query-editor .view-line').allTextContents()).join('\n').replaceAll('\u00a0', ' ')
  const shows = (page: Page, name: string) =>
    until(async () => (await editorText(page)).includes(`# ${name}`), { what: `the tab ${name}`, timeoutMs: 60_000 })

  test('a key is seen to be wrong or right before the first call, and the page begins without an error', async () => {
    await using window = await visit(product.apiUrl)
    const { page } = window
    await giveKey(page, 'sbx_wrong')
    await page.locator('#key-state[data-state="wrong"]').waitFor()
    expect(await page.locator('.graphiql-container').count()).toBe(0)
    await giveKey(page)
    await page.locator('#key-state[data-state="right"]').waitFor()
    await hasTabs(page)
    await shows(page, names[0]!)
    expect(await page.locator('.graphiql-response').textContent()).not.toMatch(/error/i)
    // The wrong key's answer is all that the browser may complain about.
    expect(window.faults.filter((fault) => !fault.includes('401'))).toEqual([])
    expect(window.strangers).toEqual([])
    expect(page.url()).not.toContain(product.adminKey)
  })

  test('it fits its window, and each tab switches on a first visit, keeps its name when it was run, and stays after a reload', async () => {
    await using window = await visit(product.apiUrl)
    const { page } = window
    await giveKey(page)
    await hasTabs(page)
    const beyond = await page.evaluate<number[]>(
      '[document.documentElement.scrollHeight - innerHeight, document.documentElement.scrollWidth - innerWidth, Math.floor(document.querySelector(".graphiql-container").getBoundingClientRect().bottom) - innerHeight]',
    )
    expect(Math.max(...beyond)).toBeLessThanOrEqual(0)
    for (const name of ['2 Upgrade', 'Roll back', 'Is it well?']) {
      await page.locator(`.graphiql-tab-button[data-name="${name}"]`).click()
      await shows(page, name)
    }
    await page.locator('.graphiql-query-editor .view-line', { hasText: 'problems {' }).first().click()
    await page.keyboard.press('Control+Enter')
    await until(async () => (await page.locator('.graphiql-response').textContent())?.includes('"problems"'))
    expect(await tabNames(page)).toEqual(names)
    await page.reload()
    await hasTabs(page)
    await shows(page, 'Is it well?')
  })

  test('it is readable when the system is dark, and follows when it turns', async () => {
    await using window = await visit(product.apiUrl, 'dark')
    const { page } = window
    await giveKey(page)
    await shows(page, names[0]!)
    // What is behind the editor's text, whose own background is transparent; 0 is black, 255 white.
    const brightness = (selector: string, property: string) =>
      page.evaluate<number>(
        `(() => {
          const seen = (element) => {
            const [r, g, b, a = 1] = getComputedStyle(element)[${JSON.stringify(property)}].match(/[\\d.]+/g).map(Number)
            return a === 0 && element.parentElement ? seen(element.parentElement) : (r * 299 + g * 587 + b * 114) / 1000
          }
          return seen(document.querySelector(${JSON.stringify(selector)}))
        })()`,
      )
    const editor = '.graphiql-query-editor .monaco-editor'
    const comment = '.graphiql-query-editor .view-line span span'
    const contrast = async () => (await brightness(comment, 'color')) - (await brightness(editor, 'backgroundColor'))
    await until(async () => (await contrast()) > 60, { timeoutMs: 60_000 })
    await page.emulateMedia({ colorScheme: 'light' })
    await until(async () => (await contrast()) < -100, { timeoutMs: 60_000 })
  })

  test('below a prefix, and with another key, the nine megabytes are not fetched anew', async () => {
    await using proxy = await openProxy({ target: product.apiUrl, prefix: '/models/sb' })
    await using window = await visit(`${proxy.origin}/models/sb/`)
    const { page } = window
    await giveKey(page)
    await hasTabs(page)
    await page.evaluate('sessionStorage.clear()')
    const before = proxy.paths.length
    await page.reload()
    await giveKey(page)
    await hasTabs(page)
    const anew = proxy.paths.slice(before)
    expect(anew).toContain('/models/sb/graphql')
    expect(anew.filter((path) => path.includes('/graphiql/'))).toEqual([])
    expect(window.strangers).toEqual([])
  })
})
