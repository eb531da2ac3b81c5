/** The first screen in a real browser: the key, the wall, a switch that is seen on it, and taking it back. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BrowserWindow, hasBrowser, openBrowser } from '../support/browser.ts'
import { until } from '../support/until.ts'
import { openScene, type Scene } from './scene.ts'
import { seriousFindings } from './visitor.ts'

describe.runIf(hasBrowser())('the first screen', () => {
  let scene: Scene
  let window: BrowserWindow
  let page: Page
  beforeAll(async () => {
    scene = await openScene()
    window = await openBrowser(scene.product.apiUrl, { bypassCSP: false })
    page = window.page
  })
  afterAll(async () => {
    await window?.[Symbol.asyncDispose]()
    await scene?.[Symbol.asyncDispose]()
  })

  const row = (route: string) => page.locator(`.wall-row[data-route="${route}"]`)
  const shares = (route: string, bar: 'configured' | 'observed') =>
    row(route)
      .locator(`[data-bar="${bar}"] [data-share]`)
      .evaluateAll((parts) => parts.map((part) => Number(part.getAttribute('data-share'))))

  test('a wrong key is told at once, and no key stands in an address', async () => {
    await page.goto(`${scene.product.apiUrl}/console`)
    await page.getByLabel('Key', { exact: true }).fill('sbx_wrong')
    await page.getByRole('button', { name: 'Sign in' }).click()
    expect(await page.getByRole('alert').textContent()).toContain('not accepted')
    await page.getByLabel('Key', { exact: true }).fill(scene.product.adminKey)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await row('chat').waitFor()
    expect(page.url()).toBe(`${scene.product.apiUrl}/console`)
    // Nobody asked it to remember.
    expect(await page.evaluate('localStorage.length + sessionStorage.length')).toBe(0)
  })

  test('the wall shows what is configured over what is observed', async () => {
    await page.locator('[data-live="live"]').waitFor()
    await until(async () => {
      await scene.ask('chat', 4)
      return (await shares('chat', 'observed')).some((share) => share > 0)
    })
    expect(await shares('chat', 'configured')).toEqual([0.25, 0.75])
  })

  test('a switch by somebody else is seen on the wall, with who did it and why', async () => {
    await scene.product.graphql.change(
      `mutation { routeTrafficSet(input: { route: { name: "chat" }, weights: [{ target: { deployment: "qwen3-32b" }, weight: 1 }], reason: "llama is slow" }) { userErrors { code message path } } }`,
    )
    await until(
      async () => {
        await scene.ask('chat', 2)
        const [configured, observed] = [await shares('chat', 'configured'), await shares('chat', 'observed')]
        return configured.join() === '0,1' && (observed[1] ?? 0) > 0.9
      },
      { timeoutMs: 60_000 },
    )
    await row('chat').getByText('llama is slow').waitFor()
    expect(await row('chat').textContent()).toContain('traffic set')
  })

  test('it is taken back from the row itself', async () => {
    await row('chat')
      .getByRole('button', { name: /Take it back/ })
      .click()
    await page.getByLabel('Reason').fill('it was the network')
    await page.getByRole('dialog').getByRole('button', { name: 'Take it back', exact: true }).click()
    await until(async () => (await shares('chat', 'configured')).join() === '0.25,0.75')
    await row('chat').getByText('it was the network').waitFor()
    const query = '{ route(by: { name: "chat" }) { revision targets { weight } } }'
    expect(await scene.product.graphql.request(query)).toEqual({
      route: { revision: 3, targets: [{ weight: 100 }, { weight: 300 }] },
    })
  })

  test('where the bars differ the reason stands in words', async () => {
    await until(
      async () => {
        await scene.ask('support')
        return (await row('support').locator('.reasons').textContent({ timeout: 1_000 }))?.includes('broken')
      },
      { timeoutMs: 60_000 },
    )
  })

  test('it asks nobody but its own server, and no fault is in its console', () => {
    expect(window.strangers).toEqual([])
    // The wrong key's answer is all that the browser may complain about.
    expect(window.faults.filter((fault) => !fault.includes('401'))).toEqual([])
  })

  test('axe finds nothing serious', async () => {
    await using bare = await openBrowser(scene.product.apiUrl, { bypassCSP: true })
    await bare.page.goto(`${scene.product.apiUrl}/console`)
    await bare.page.getByLabel('Key', { exact: true }).fill(scene.product.adminKey)
    expect(await seriousFindings(bare.page)).toEqual([])
    await bare.page.getByRole('button', { name: 'Sign in' }).click()
    await bare.page.locator('.wall-row').first().waitFor()
    expect(await seriousFindings(bare.page)).toEqual([])
  })
})
