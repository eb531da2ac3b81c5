/** A route in a real browser: a switch by the keyboard alone, a conflict, the history, and why. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type BrowserWindow, hasBrowser } from '../support/browser.ts'
import { until } from '../support/until.ts'
import { openScene, type Scene } from './scene.ts'
import { openConsole, seriousFindings, signIn } from './visitor.ts'

describe.runIf(hasBrowser())('a route in the console', () => {
  let scene: Scene
  let window: BrowserWindow
  let page: Page
  let address: string
  beforeAll(async () => {
    scene = await openScene()
    address = `${scene.product.apiUrl}/console/routes/${await scene.routeId('chat')}`
    window = await openConsole(`${scene.product.apiUrl}/console`, scene.product.adminKey, { bypassCSP: true })
    page = window.page
  })
  afterAll(async () => {
    await window?.[Symbol.asyncDispose]()
    await scene?.[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    // A reload forgets the key, as nobody asked to remember it.
    await page.goto(address)
    await signIn(page, scene.product.adminKey)
    await page.getByRole('slider').first().waitFor()
  })

  const weights = async () => {
    const query = '{ route(by: { name: "chat" }) { revision targets { weight } } }'
    const { route } = await scene.product.graphql.request<{
      route: { revision: number; targets: { weight: number }[] }
    }>(query)
    return { revision: route.revision, weights: route.targets.map(({ weight }) => weight) }
  }
  const switchAs = (client: Scene['product']['graphql'], llama: number, qwen: number, reason: string) =>
    client.change(
      `mutation ($reason: String, $llama: Int!, $qwen: Int!) { routeTrafficSet(input: { route: { name: "chat" }, reason: $reason, weights: [
        { target: { deployment: "llama-3.3-70b" }, weight: $llama }, { target: { deployment: "qwen3-32b" }, weight: $qwen }
      ] }) { userErrors { code message path } } }`,
      { llama, qwen, reason },
    )
  /** Presses Tab until the focus is where the test says. */
  const tabTo = async (what: string, isThere: (focused: { tag: string; text: string; id: string }) => boolean) => {
    for (let turn = 0; turn < 80; turn++) {
      await page.keyboard.press('Tab')
      const focused = await page.evaluate<{ tag: string; text: string; id: string }>(
        '({ tag: document.activeElement.tagName, text: document.activeElement.textContent, id: document.activeElement.id || document.activeElement.placeholder || "" })',
      )
      if (isThere(focused)) return
    }
    throw new Error(`the keyboard does not reach ${what}`)
  }

  test('the keyboard alone switches traffic, and the sum of the weights stays', async () => {
    await tabTo('the first slider', ({ id }) => id.startsWith('weight-'))
    for (let step = 0; step < 4; step++) await page.keyboard.press('ArrowRight')
    await tabTo('the reason', ({ id }) => id.startsWith('Reason'))
    await page.keyboard.type('a little more for llama')
    await tabTo('the button', ({ tag, text }) => tag === 'BUTTON' && text === 'Apply')
    await page.keyboard.press('Enter')
    await page.getByText('Traffic of chat is switched.').waitFor()
    expect(await weights()).toEqual({ revision: 2, weights: [104, 296] })
  })

  test('a change by somebody else is a conflict, shown with who made it and why', async () => {
    const { secret } = await scene.product.graphql.change<{ secret: string }>(
      `mutation { apiKeyCreate(input: { name: "night shift", scopes: [CONFIG_READ, TRAFFIC_WRITE] }) { secret userErrors { code message path } } }`,
    )
    await page.getByRole('slider').first().focus()
    await page.keyboard.press('End')
    await switchAs(scene.product.graphql.withKey(secret), 0, 400, 'llama has fallen over')
    const conflict = page.locator('.conflict')
    await conflict.waitFor()
    expect(await conflict.textContent()).toMatch(/night shift.*llama has fallen over/)
    expect(await page.getByRole('button', { name: 'Apply', exact: true }).isDisabled()).toBe(true)
    const { revision } = await weights()
    await conflict.getByRole('button', { name: /Keep my draft/ }).click()
    await page.getByRole('button', { name: 'Apply', exact: true }).click()
    await page.getByText('Traffic of chat is switched.').waitFor()
    expect(await weights()).toEqual({ revision: revision + 1, weights: [400, 0] })
  })

  test('the history tells what each revision changed, and restores one', async () => {
    await switchAs(scene.product.graphql, 200, 200, 'half and half')
    const { revision } = await weights()
    await page.getByRole('link', { name: 'History' }).click()
    const latest = page.locator(`[data-revision="${revision}"]`)
    await latest.waitFor()
    expect(await latest.textContent()).toContain('half and half')
    expect(await latest.textContent()).toMatch(/llama-3.3-70b .*→ 50 %/)
    await page
      .locator('[data-revision="1"]')
      .getByRole('button', { name: /Restore/ })
      .click()
    await page.getByRole('dialog').getByRole('button', { name: 'Take it back', exact: true }).click()
    await until(async () => (await weights()).weights.join() === '100,300')
    expect((await weights()).revision).toBe(revision + 1)
  })

  test('why: each step of the decision, for a caller with a key and without one', async () => {
    await page.getByRole('link', { name: 'Why' }).click()
    const ladder = page.locator('.ladder')
    await ladder.getByText('let in').waitFor()
    expect(await ladder.textContent()).toMatch(/llama-3.3-70b.*25 %.*qwen3-32b.*75 %.*Fallback 1: openai\/gpt-5-mini/s)
    await page.getByLabel('Key of the caller').selectOption('')
    await ladder.getByText(/refused with 401/).waitFor()
  })

  test('each action shows its GraphQL and its curl, with the key as a variable of the shell', async () => {
    await page.getByRole('slider').first().focus()
    await page.keyboard.press('ArrowRight')
    await page.getByRole('button', { name: 'GraphQL and curl of: Switch the traffic' }).click()
    const dialog = page.getByRole('dialog')
    expect(await dialog.textContent()).toContain('routeTrafficSet(')
    expect(await dialog.textContent()).toContain('$SIGNALBOX_KEY')
    expect(await dialog.textContent()).not.toContain(scene.product.adminKey)
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
  })

  test('axe finds nothing serious on any screen, light or dark, and none is wider than a telephone', async () => {
    await scene.ask('chat', 5)
    await scene.ask('support')
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      for (const [screen, isThere] of [
        ['Overview', '.wall-row'],
        ['Requests', '[data-request]'],
        ['Backends', '[data-deployment]'],
        ['Usage', '.plot canvas'],
        ['Keys', '[data-key]'],
        ['Try it', '.try select option'],
        ['First steps', '[data-story]'],
      ] as const) {
        await page.getByRole('navigation', { name: 'Screens' }).getByRole('link', { name: screen }).click()
        await page.locator(isThere).first().waitFor({ state: 'attached' })
        expect([screen, colorScheme, await seriousFindings(page)]).toEqual([screen, colorScheme, []])
        await page.setViewportSize({ width: 360, height: 740 })
        expect([screen, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([screen, 360])
        await page.setViewportSize({ width: 1280, height: 800 })
      }
    }
    expect(window.strangers).toEqual([])
    expect(window.faults).toEqual([])
  })
})
