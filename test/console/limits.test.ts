/** Limits and budgets in a real browser: made, looked at, raised, taken away. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasBrowser } from '../support/browser.ts'
import { until } from '../support/until.ts'
import { openScene, type Scene } from './scene.ts'
import { openConsole, seriousFindings } from './visitor.ts'

describe.runIf(hasBrowser())('limits and budgets in the console', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = await openScene()
  })
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]()
  })
  const open = (path: string) => openConsole(`${scene.product.apiUrl}/console`, scene.product.adminKey, { path })

  test('a limit that is set at a route binds, says what it refused, and is taken away', async () => {
    await using window = await open(`/routes/${await scene.routeId('assistant')}?tab=access`)
    const { page } = window
    await page.getByText('Nothing bounds how fast it may be used.').waitFor()
    await page.getByRole('button', { name: 'New limit' }).click()
    await page.getByLabel('Requests per minute').fill('1')
    await page.getByLabel('Most at once').fill('1')
    await page.getByRole('button', { name: 'Set the limit', exact: true }).click()
    const row = page.locator('[data-limit="route assistant"]')
    await row.getByText('1 request a minute').waitFor()
    await until(async () => (await scene.ask('assistant', 2)).includes('429'), { timeoutMs: 60_000 })
    await row.getByText(/^refused [1-9]/).waitFor()
    await row.getByRole('button', { name: /^Delete the limit/ }).click()
    await page.getByText('Nothing bounds how fast it may be used.').waitFor()
    await until(async () => (await scene.ask('assistant', 2)).every((served) => served !== '429'))
  })

  test('all limits stand beside the keys, and one is made for any object', async () => {
    await using window = await open('/access')
    const { page } = window
    await page.getByRole('button', { name: 'New limit' }).click()
    await page.getByLabel('About').selectOption({ label: 'qwen3-32b' })
    await page.getByLabel('Requests per minute').fill('')
    await page.getByLabel('Requests at the same time').fill('40')
    await page.getByLabel('Only count what it would refuse').check()
    await page.getByRole('button', { name: 'Set the limit', exact: true }).click()
    const row = page.locator('[data-limit="deployment qwen3-32b"]')
    expect(await row.textContent()).toMatch(/40 at the same time.*only counted.*40 of 40 places.*would have refused 0/)
  })

  test('a budget shows what was spent of it, and is raised for the running period', async () => {
    await using window = await open('/usage')
    const { page } = window
    await page.getByRole('button', { name: 'New budget' }).click()
    await page.getByLabel('About').selectOption({ label: 'chat' })
    await page.getByLabel('USD', { exact: true }).fill('20')
    await page.getByRole('button', { name: 'Set the budget', exact: true }).click()
    const budget = page.locator('[data-budget="route chat"]')
    await budget.getByText(/^\$0 of \$20\.00/).waitFor()
    await budget.getByRole('button', { name: 'Raise the budget of route chat' }).click()
    await page.getByLabel('USD more').fill('5.5')
    await page.getByLabel('Reason').fill('a campaign')
    await page.getByRole('button', { name: 'Raise it', exact: true }).click()
    await budget.getByText(/^\$0 of \$25\.50/).waitFor()
    expect(window.strangers).toEqual([])
    expect(window.faults).toEqual([])
  })

  test('axe finds nothing serious beside limits and budgets, and they fit a telephone', async () => {
    const { apiUrl, adminKey, graphql } = scene.product
    const faults = 'userErrors { code message path }'
    await graphql.change(
      `mutation { budgetCreate(input: { subject: { installation: true }, amount: "50" }) { ${faults} } }`,
    )
    await graphql.change(
      `mutation { rateLimitCreate(input: { subject: { installation: true }, inFlight: 400 }) { ${faults} } }`,
    )
    const options = { path: '/usage', bypassCSP: true, viewport: { width: 360, height: 740 } }
    await using window = await openConsole(`${apiUrl}/console`, adminKey, options)
    const { page } = window
    for (const [screen, isThere] of [
      ['Usage', '[data-budget] meter'],
      ['Keys', '[data-limit]'],
    ] as const) {
      await page.getByRole('navigation', { name: 'Screens' }).getByRole('link', { name: screen }).click()
      await page.locator(isThere).first().waitFor()
      expect([screen, await seriousFindings(page)]).toEqual([screen, []])
      expect([screen, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([screen, 360])
    }
  })
})
