/** The forms that change what is there: providers, deployments, limits, budgets; and what they say when somebody else was first. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasBrowser } from '../support/browser.ts'
import { until } from '../support/until.ts'
import { openScene, type Scene } from './scene.ts'
import { openConsole } from './visitor.ts'

const errors = 'userErrors { code message path }'

describe.runIf(hasBrowser())('the forms of the console', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = await openScene()
  })
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]()
  })
  const open = (path: string) => openConsole(`${scene.product.apiUrl}/console`, scene.product.adminKey, { path })

  const provider = async () =>
    (
      await scene.product.graphql.request<{ provider: Record<string, unknown> }>(
        '{ provider(by: { name: "openai" }) { name description baseUrl state headerNames credentials { hint } models { upstreamModel } } }',
      )
    ).provider

  test('a provider is edited: its words, its keys by replacement, its headers; no secret is shown, and what was left alone stays', async () => {
    await using window = await open('/backends')
    const { page } = window
    const before = await provider()
    await page.locator('[data-provider="openai"]').getByRole('button', { name: 'Edit', exact: true }).click()
    const dialog = page.getByRole('dialog', { name: 'Edit openai' })
    await dialog.getByLabel('Description').fill('the paid one')
    await dialog.getByLabel(/^New keys/).fill('sk-first-of-the-new\nsk-second-of-the-new')
    await dialog.getByLabel(/^New headers/).fill('x-tenant: blue')
    await dialog.getByLabel('Reason').fill('rotation')
    await dialog.getByRole('button', { name: 'GraphQL and curl of: Edit openai' }).click()
    const shown = await page.locator('dialog').last().textContent()
    expect(shown).toContain('the paid one')
    expect(shown).not.toMatch(/sk-|blue/)
    await page.keyboard.press('Escape')
    await dialog.getByRole('button', { name: 'Apply', exact: true }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.locator('[data-provider="openai"]').getByText('the paid one').waitFor()
    expect(await provider()).toEqual({
      ...before,
      description: 'the paid one',
      headerNames: ['x-tenant'],
      credentials: [{ hint: expect.any(String) as unknown }, { hint: expect.any(String) as unknown }],
    })
  })

  test('another base URL without its keys is refused, in words, and nothing is lost of what was typed', async () => {
    await using window = await open('/backends')
    const { page } = window
    await page.locator('[data-provider="openai"]').getByRole('button', { name: 'Edit', exact: true }).click()
    const dialog = page.getByRole('dialog', { name: 'Edit openai' })
    await dialog.getByLabel('Base URL').fill('http://127.0.0.1:9/v1')
    await dialog.getByRole('button', { name: 'Apply', exact: true }).click()
    await dialog.getByRole('alert').waitFor()
    expect(await dialog.getByLabel('Base URL').inputValue()).toBe('http://127.0.0.1:9/v1')
    expect((await provider())['baseUrl']).toBe(scene.upstreams.openai.baseUrl)
  })

  test('when somebody else was first, it says who and why, and both changes are kept', async () => {
    await using window = await open('/backends')
    const { page } = window
    await page.locator('[data-provider="openai"]').getByRole('button', { name: 'Edit', exact: true }).click()
    const dialog = page.getByRole('dialog', { name: 'Edit openai' })
    await dialog.getByLabel('Name', { exact: true }).fill('openai-eu')
    await scene.product.graphql.change(
      `mutation { providerUpdate(input: { provider: { name: "openai" }, description: "theirs", reason: "a better word" }) { ${errors} } }`,
    )
    const conflict = dialog.locator('.conflict')
    await conflict.getByText('a better word').waitFor()
    expect(await conflict.textContent()).toMatch(/at revision 3.*began at revision 2.*by SIGNALBOX_ADMIN_KEY/s)
    expect(await dialog.getByRole('button', { name: 'Apply', exact: true }).isDisabled()).toBe(true)
    await dialog.getByRole('button', { name: /Keep what I wrote/ }).click()
    await dialog.getByRole('button', { name: 'Apply', exact: true }).click()
    await dialog.waitFor({ state: 'detached' })
    const query = '{ provider(by: { name: "openai-eu" }) { description } }'
    expect(await scene.product.graphql.request(query)).toEqual({ provider: { description: 'theirs' } })
    await scene.product.graphql.change(
      `mutation { providerUpdate(input: { provider: { name: "openai-eu" }, name: "openai" }) { ${errors} } }`,
    )
  })

  test('a probe lists the models; those that are chosen become the provider’s, and a route for one is made with its access', async () => {
    await using window = await open('/backends')
    const { page } = window
    await scene.product.graphql.change(
      `mutation ($input: ProviderCreateInput!) { providerCreate(input: $input) { ${errors} } }`,
      { input: { name: 'lab', baseUrl: scene.upstreams.openai.baseUrl } },
    )
    const panel = page.locator('[data-provider="lab"]')
    expect(await panel.getByRole('button', { name: 'Add route' }).isDisabled()).toBe(true)
    await panel.getByRole('button', { name: 'Probe' }).click()
    const models = page.getByRole('dialog', { name: 'Models of lab' })
    await models.getByText(/1 models, answered in/).waitFor()
    await models.getByLabel(/gpt-5-mini/).check()
    await models.getByRole('button', { name: 'Take these models' }).click()
    await models.waitFor({ state: 'detached' })
    await panel.getByRole('button', { name: 'Add route' }).click()
    const route = page.getByRole('dialog', { name: 'A route to lab' })
    expect(await route.getByLabel('Name that clients send as model').inputValue()).toBe('gpt-5-mini')
    await route.getByLabel('Who may call it').selectOption('RESTRICTED')
    await route.getByLabel('shop').check()
    await route.getByRole('button', { name: 'Add route', exact: true }).click()
    await route.waitFor({ state: 'detached' })
    const query = '{ route(by: { name: "gpt-5-mini" }) { access { policy apiKeys { name } } } }'
    expect(await scene.product.graphql.request(query)).toEqual({
      route: { access: { policy: 'RESTRICTED', apiKeys: [{ name: 'shop' }] } },
    })
    expect(await scene.ask('gpt-5-mini')).toEqual(['lab/gpt-5-mini'])
  })

  test('a deployment and its endpoints are edited one by one', async () => {
    await using window = await open('/backends')
    const { page } = window
    const panel = page.locator('[data-deployment="qwen3-32b"]')
    const url = scene.upstreams.qwen.baseUrl
    await panel.getByRole('button', { name: `Edit ${url}` }).click()
    const endpoint = page.getByRole('dialog', { name: `Edit ${url}` })
    await endpoint.getByLabel('Weight among the endpoints').fill('3')
    await endpoint.getByLabel('Requests at the same time, at most').fill('64')
    await endpoint.getByRole('button', { name: 'Apply', exact: true }).click()
    await endpoint.waitFor({ state: 'detached' })
    await panel.getByText('0 of 64').waitFor()
    await panel.getByRole('button', { name: 'Add endpoint' }).click()
    const added = page.getByRole('dialog', { name: /A new endpoint/ })
    await added.getByLabel('Base URL').fill(scene.upstreams.llama.baseUrl)
    await added.getByRole('button', { name: 'Add it' }).click()
    await added.waitFor({ state: 'detached' })
    await panel.getByText(scene.upstreams.llama.baseUrl).waitFor()
    await using later = await open('/backends')
    await later.page.locator('[data-deployment="qwen3-32b"]').getByRole('button', { name: 'Edit', exact: true }).click()
    const edit = later.page.getByRole('dialog', { name: 'Edit qwen3-32b' })
    await edit.getByLabel('Description').fill('two replicas')
    await edit.getByLabel('State').selectOption('DRAINING')
    await edit.getByRole('button', { name: 'Apply', exact: true }).click()
    await edit.waitFor({ state: 'detached' })
    const query =
      '{ deployment(by: { name: "qwen3-32b" }) { description state endpoints { url weight maxInFlight state } } }'
    expect(await scene.product.graphql.request(query)).toEqual({
      deployment: {
        description: 'two replicas',
        state: 'DRAINING',
        endpoints: [
          { url, weight: 3, maxInFlight: 64, state: 'ACTIVE' },
          { url: scene.upstreams.llama.baseUrl, weight: 1, maxInFlight: null, state: 'ACTIVE' },
        ],
      },
    })
  })

  test('a limit and a budget are edited where they stand', async () => {
    const { graphql } = scene.product
    await graphql.change(
      `mutation { rateLimitCreate(input: { subject: { installation: true }, requestsPerMinute: 1000 }) { ${errors} } }`,
    )
    await graphql.change(
      `mutation { budgetCreate(input: { subject: { installation: true }, amount: "50" }) { ${errors} } }`,
    )
    await using limits = await open('/access')
    await limits.page.getByRole('button', { name: /^Edit the limit of/ }).click()
    const limit = limits.page.getByRole('dialog')
    await limit.getByLabel('Tokens per minute').fill('90000')
    await limit.getByLabel(/Only count/).check()
    await limit.getByRole('button', { name: 'Apply', exact: true }).click()
    await limit.waitFor({ state: 'detached' })
    await limits.page.getByText('only counted').waitFor()
    await using usage = await open('/usage')
    await usage.page.getByRole('button', { name: /^Edit the budget of/ }).click()
    const budget = usage.page.getByRole('dialog')
    await budget.getByLabel('USD').fill('75.5')
    await budget.getByLabel('When it is used up').selectOption('SKIP_PRICED')
    await budget.getByRole('button', { name: 'Apply', exact: true }).click()
    await budget.waitFor({ state: 'detached' })
    await until(async () => (await usage.page.locator('[data-budget]').textContent())?.includes('75.5'))
    expect(
      await graphql.request(
        '{ rateLimits(first: 5) { edges { node { requestsPerMinute tokensPerMinute enforcement } } } budgets(first: 5) { edges { node { amount period onExhausted } } } }',
      ),
    ).toEqual({
      rateLimits: { edges: [{ node: { requestsPerMinute: 1000, tokensPerMinute: 90_000, enforcement: 'OBSERVE' } }] },
      budgets: { edges: [{ node: { amount: '75.5', period: 'MONTH', onExhausted: 'SKIP_PRICED' } }] },
    })
  })
})
