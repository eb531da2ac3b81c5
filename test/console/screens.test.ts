/** The other screens in a real browser: stories, requests, keys, a chat; below a prefix, and when the connection is lost. */
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasBrowser } from '../support/browser.ts'
import { until } from '../support/until.ts'
import { openProxy } from './proxy.ts'
import { openScene, type Scene } from './scene.ts'
import { openConsole, signIn } from './visitor.ts'

describe.runIf(hasBrowser())('the screens of the console', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = await openScene()
  })
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]()
  })
  const open = (path = '') => openConsole(`${scene.product.apiUrl}/console`, scene.product.adminKey, { path })

  test('the first steps: a model is deployed, replaced, joined by a public one, and given a fallback', async () => {
    await using window = await open('/start')
    const { page } = window
    const story = (id: string) => page.locator(`[data-story="${id}"]`)
    const done = (id: string) => story(id).getByText('Done.').waitFor()

    await story('deploy').getByLabel('Name', { exact: true }).fill('one')
    await story('deploy').getByLabel('Base URL').fill(scene.upstreams.llama.baseUrl)
    await story('deploy').getByRole('button', { name: 'Deploy it', exact: true }).click()
    await done('deploy')
    expect(await scene.ask('one')).toEqual(['one'])

    await story('upgrade').getByLabel('Route', { exact: true }).selectOption('one')
    await story('upgrade').getByLabel('What it replaces').selectOption('one')
    await story('upgrade').getByLabel('Name of the new version').fill('two')
    await story('upgrade').getByLabel('Base URL').fill(scene.upstreams.qwen.baseUrl)
    await story('upgrade').getByRole('button', { name: 'Upgrade', exact: true }).click()
    await done('upgrade')
    expect(await scene.ask('one')).toEqual(['two'])

    await story('split').getByLabel('Route', { exact: true }).selectOption('one')
    await story('split').getByLabel('Name of the provider').fill('public')
    await story('split').getByLabel('Its base URL').fill(scene.upstreams.openai.baseUrl)
    await story('split')
      .getByLabel(/^Its key/)
      .fill('sk-of-the-provider')
    await story('split').getByRole('button', { name: 'Add it', exact: true }).click()
    await done('split')
    expect((await scene.ask('one', 4)).toSorted()).toEqual(['public/gpt-5-mini', 'public/gpt-5-mini', 'two', 'two'])

    await story('fallback').getByLabel('Route', { exact: true }).selectOption('one')
    await story('fallback').getByLabel('Fallback', { exact: true }).selectOption('llama-3.3-70b')
    await story('fallback').getByRole('button', { name: 'Set the fallback', exact: true }).click()
    await done('fallback')

    await story('existing').getByLabel('Name', { exact: true }).fill('lab')
    await story('existing').getByLabel('Base URL').fill(scene.upstreams.openai.baseUrl)
    await story('existing').getByLabel('Model', { exact: true }).fill('gpt-5-mini')
    await story('existing').getByLabel('Name of the route').fill('lab-model')
    await story('existing').getByRole('button', { name: 'Put it behind Signalbox', exact: true }).click()
    await done('existing')
    expect(await scene.ask('lab-model')).toEqual(['lab/gpt-5-mini'])
    await story('split').getByRole('button', { name: 'GraphQL and curl of: Add the provider' }).click()
    expect(await page.getByRole('dialog').textContent()).not.toContain('sk-of-the-provider')
  })

  test('a request is in the tail when it has ended, with the chain of its attempts and a timeline', async () => {
    await using window = await open('/requests?outcome=OK_BY_FALLBACK')
    const { page } = window
    await page.locator('[data-live="live"]').waitFor()
    const row = page.locator('[data-request]').first()
    await until(
      async () => {
        await scene.ask('chat')
        await scene.ask('support')
        return (await row.count()) > 0
      },
      { timeoutMs: 60_000 },
    )
    expect(await page.locator('.chain-text').last().textContent()).toMatch(/broken .* → openai\/gpt-5-mini 200/)
    expect(await page.locator('[data-request]').filter({ hasText: 'llama-3.3-70b' }).count()).toBe(0)
    await page.locator('[data-request]').last().getByRole('button').click()
    expect(await page.locator('.timeline').textContent()).toContain('ECONNREFUSED')
    await page.getByLabel('Route').selectOption('chat')
    await until(() => page.url().includes('route=rte') || /route=\w/.test(page.url()))
    await page.getByText('No request yet that fits.').waitFor()
  })

  test('a chat shows who served, by which route and revision', async () => {
    await using window = await open('/try')
    const { page } = window
    await page.getByLabel('Route').selectOption('assistant')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.locator('.chat .assistant').getByText('Hello from the provider.').waitFor()
    const headers = await page.locator('.headers').textContent()
    expect(headers).toMatch(/200 in .*x-signalbox-backend\s*openai%2Fgpt-5-mini.*x-signalbox-route\s*assistant/s)
    expect(window.strangers).toEqual([])
  })

  test('a key is made, its secret is shown once and works, and it is revoked', async () => {
    await using window = await open('/access')
    const { page } = window
    await page.getByRole('button', { name: 'New key' }).click()
    await page.getByLabel('Name', { exact: true }).fill('kiosk')
    await page.getByRole('button', { name: 'Create', exact: true }).click()
    const secret = (await page.getByLabel('Secret', { exact: true }).textContent())!
    await page.getByRole('button', { name: 'I have it' }).click()
    const models = () =>
      fetch(`${scene.product.gatewayUrl}/v1/models`, { headers: { authorization: `Bearer ${secret.trim()}` } })
    expect((await models()).status).toBe(200)
    await page.getByRole('button', { name: 'Revoke kiosk' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click()
    await page.locator('[data-key="kiosk"]').getByText('revoked').waitFor()
    expect((await models()).status).toBe(401)
  })

  test('usage is saved as CSV', async () => {
    await scene.ask('assistant', 3)
    await using window = await open('/usage?by=BACKEND')
    const { page } = window
    const save = page.getByRole('button', { name: 'Save as CSV' })
    await until(
      async () => {
        await page.getByRole('button', { name: 'Refresh' }).click()
        return (await save.count()) > 0
      },
      // An answer must have the time to come before it is asked for again.
      { timeoutMs: 60_000, everyMs: 1_000 },
    )
    const [download] = await Promise.all([page.waitForEvent('download'), save.click()])
    const lines = (await readFile(await download.path(), 'utf8')).split('\r\n')
    expect(lines[0]).toBe('time,backend,requests,failures,input_tokens,output_tokens,cost_usd')
    expect(lines.some((line) => /^20\d\d-.*,openai\/gpt-5-mini,\d+,0,\d+,\d+,0\.\d+$/.test(line))).toBe(true)
  })

  test('below the prefix of a proxy that lets no WebSocket through it is live all the same, at any address', async () => {
    await using proxy = await openProxy({ target: scene.product.apiUrl, prefix: '/models/sb', letsUpgrade: false })
    const path = `/routes/${await scene.routeId('chat')}?tab=history`
    await using window = await openConsole(`${proxy.origin}/models/sb/console`, scene.product.adminKey, { path })
    const { page } = window
    await page.locator('[data-revision="1"]').waitFor()
    await page.getByRole('link', { name: 'Signalbox, overview' }).click()
    expect(page.url().replace(/\/$/, '')).toBe(`${proxy.origin}/models/sb/console`)
    await page.locator('[data-live="live"]').waitFor()
    const observed = page.locator('.wall-row[data-route="chat"] .legend b')
    await until(
      async () => {
        await scene.ask('chat', 4)
        return (await observed.count()) > 0
      },
      { timeoutMs: 60_000 },
    )
    expect(window.strangers).toEqual([])
  })

  test('a lost connection is told, and opened again by itself', async () => {
    await using proxy = await openProxy({ target: scene.product.apiUrl })
    await using window = await openConsole(`${proxy.origin}/console`, scene.product.adminKey)
    const { page } = window
    await page.locator('[data-live="live"]').waitFor()
    proxy.cut()
    await page.getByText('Connection lost, reconnecting …').waitFor()
    proxy.restore()
    await page.locator('[data-live="live"]').waitFor()
    await scene.product.graphql.change(
      `mutation { routeUpdate(input: { route: { name: "assistant" }, description: "x", reason: "while nobody looked" }) { userErrors { code message path } } }`,
    )
    await page.getByText('while nobody looked').waitFor()
  })

  test('a remembered key outlives a reload, and signing out forgets it', async () => {
    await using window = await open()
    const { page } = window
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Remember it').check()
    await signIn(page, scene.product.adminKey)
    await page.reload()
    await page.locator('.wall-row').first().waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
    await page.reload()
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
    expect(await page.evaluate('localStorage.length')).toBe(0)
  })
})
