import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { examplesDir, hasPrograms, runExample, startExample } from '../support/examples.ts'
import { type Product, startProduct } from '../support/product.ts'
import { status } from '../support/replies.ts'
import { openSteadyLoad } from '../support/steady-load.ts'
import { until } from '../support/until.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'

test.runIf(hasPrograms('shellcheck'))('shellcheck finds nothing in the scripts', () => {
  const folder = join(examplesDir, 'shell')
  const scripts = readdirSync(folder).filter((name) => name.endsWith('.sh'))
  expect(scripts.length).toBeGreaterThan(3)
  const { stdout, status: code } = spawnSync('shellcheck', scripts, { cwd: folder, encoding: 'utf8' })
  expect({ stdout, code }).toEqual({ stdout: '', code: 0 })
})

describe.runIf(hasPrograms('jq', 'curl'))('shell scripts for operators', () => {
  let product: Product
  let blue: Upstream
  let green: Upstream
  let paid: Upstream
  beforeAll(async () => {
    blue = await openUpstream({ name: 'blue' })
    green = await openUpstream({ name: 'green', models: ['green-model'] })
    paid = await openUpstream({ name: 'paid', secret: 'sk-provider' })
    product = await startProduct()
  })
  afterAll(async () => {
    await product.stop()
    for (const upstream of [blue, green, paid]) await upstream.close()
  })

  const change = (mutation: string, type: string, input: object) =>
    product.graphql.change(
      `mutation ($input: ${type}!) { ${mutation}(input: $input) { userErrors { message code path } } }`,
      { input },
    )
  const deploy = (name: string) =>
    change('deploymentCreate', 'DeploymentCreateInput', { name, endpoints: [{ url: blue.baseUrl }] })
  /** Label and weight of each target, and the reason of each revision, the newest first. */
  const read = async (name: string) => {
    const { route } = await product.graphql.request<{ route: RouteShape }>(routeQuery, { name })
    return {
      targets: route.targets.map(({ backend, weight }) => `${backend.label} ${weight}`),
      reasons: route.revisions.edges.map(({ node }) => node.reason),
    }
  }
  const names = async () => {
    const { routes } = await product.graphql.request<{ routes: { edges: { node: { name: string } }[] } }>(
      '{ routes(first: 100) { edges { node { name } } } }',
    )
    return routes.edges.map(({ node }) => node.name)
  }
  const ask = async (model: string) => {
    const response = await fetch(`${product.gatewayUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${product.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] }),
    })
    await response.arrayBuffer()
    return decodeURIComponent(response.headers.get('x-signalbox-backend') ?? '')
  }

  describe('blue-green.sh', () => {
    const upgrade = (route: string, next: string) => ({
      args: [route, route, next, green.baseUrl, 'green-model'],
      env: { WATCH_SECONDS: '3', MIN_REQUESTS: '3' },
    })

    test('puts the new version in the place of the old one, and says so when it is run again', async () => {
      await deploy('good')
      const first = await runExample(product, 'shell/blue-green.sh', upgrade('good', 'good-2'))
      expect({ code: first.code, stderr: first.stderr }).toEqual({ code: 0, stderr: '' })
      expect(first.stdout).toContain('good-2: hello from green')
      expect(await read('good')).toEqual({ targets: ['good-2 100'], reasons: ['blue-green', null] })
      expect(await names()).toEqual(['good'])
      const second = await runExample(product, 'shell/blue-green.sh', upgrade('good', 'good-2'))
      expect(second).toMatchObject({ code: 0, stderr: 'good-2 serves good already.\n' })
    })

    test('does not touch the route if the new version does not answer', async () => {
      await deploy('mute')
      green.setScript(({ method }) => (method === 'GET' ? undefined : status(404)))
      const run = await runExample(product, 'shell/blue-green.sh', upgrade('mute', 'mute-2'))
      green.setScript(undefined)
      expect(run.code).toBe(1)
      expect(run.stderr).toContain('mute-2-probe did not answer')
      expect(await read('mute')).toEqual({ targets: ['mute 100'], reasons: [null] })
      expect(await names()).not.toContain('mute-2-probe')
    })

    test('takes the new version back when more requests fail than before', async () => {
      await deploy('bad')
      await using load = openSteadyLoad(product, 'bad')
      await using run = startExample(product, 'shell/blue-green.sh', {
        ...upgrade('bad', 'bad-2'),
        env: { WATCH_SECONDS: '600', MIN_REQUESTS: '3' },
      })
      await run.says(/hello from green/)
      green.setScript(({ method }) => (method === 'GET' ? undefined : status(500)))
      expect(await run.exited).toBe(3)
      green.setScript(undefined)
      expect(load).toBeDefined()
      expect(run.stderr()).toMatch(/^Taken back: of \d+ requests a share of [\d.]+ failed, before it was 0\.\n$/)
      expect(await read('bad')).toEqual({
        targets: ['bad 100'],
        reasons: ['more errors than before', 'blue-green', null],
      })
    })

    test('ends when the route does not exist', async () => {
      const run = await runExample(product, 'shell/blue-green.sh', upgrade('nowhere', 'new'))
      expect(run).toMatchObject({ code: 1, stderr: 'nowhere is no target of a route nowhere.\n' })
    })
  })

  describe('nightly-burst.sh', () => {
    const env = { ROUTE: 'burst', OWN: 'burst', PROVIDER: 'paid', MODEL: 'priced', TIME_ZONE: 'Europe/Berlin' }
    const burst = (time: string, rest: Record<string, string> = {}) =>
      runExample(product, 'shell/nightly-burst.sh', { args: [time], env: { ...env, ...rest } })
    beforeAll(async () => {
      await deploy('burst')
      await change('providerCreate', 'ProviderCreateInput', {
        name: 'paid',
        baseUrl: paid.baseUrl,
        secrets: ['sk-provider'],
        models: [
          { upstreamModel: 'priced', pricing: { inputPerMillion: '1', outputPerMillion: '2' } },
          { upstreamModel: 'unpriced' },
        ],
      })
    })
    const budgets = async () => {
      const answer = await product.graphql.request<{ budgets: { edges: { node: object }[] } }>(
        '{ budgets { edges { node { amount timeZone onExhausted period } } } }',
      )
      return answer.budgets.edges.map(({ node }) => node)
    }

    test('gives the provider its part by night, once, and takes it by day', async () => {
      expect(await burst('night')).toEqual({
        code: 0,
        stderr: '',
        stdout: 'Budget: 20 USD a day for paid.\nburst: 33 %\npaid/priced: 67 %\n',
      })
      expect(await burst('night')).toMatchObject({ code: 0, stdout: 'burst is set for the night already.\n' })
      const served = [await ask('burst'), await ask('burst'), await ask('burst')]
      expect(served.sort()).toEqual(['burst', 'paid/priced', 'paid/priced'])
      expect(await burst('day')).toMatchObject({ code: 0, stdout: 'burst: 100 %\npaid/priced: 0 %\n' })
      expect(await read('burst')).toEqual({
        targets: ['burst 100', 'paid/priced 0'],
        reasons: ['nightly burst: day', 'nightly burst: night', null],
      })
      expect(await budgets()).toEqual([
        { amount: '20', timeZone: 'Europe/Berlin', onExhausted: 'SKIP_PRICED', period: 'DAY' },
      ])
    })

    test('with the budget used up everything goes to the own GPUs', async () => {
      const tiny = { DAILY_USD: '0.000001' }
      expect((await burst('night', tiny)).stdout).toContain('Budget: 0.000001 USD a day for paid, changed.\n')
      expect(await budgets()).toMatchObject([{ amount: '0.000001' }])
      await until(async () => {
        const served = [await ask('burst'), await ask('burst'), await ask('burst')]
        return served.every((backend) => backend === 'burst')
      })
    })

    test('refuses a model without a price, and a word that it does not know', async () => {
      expect(await burst('night', { MODEL: 'unpriced' })).toMatchObject({
        code: 1,
        stderr: 'paid/unpriced has no price: a budget could not hold it back.\n',
      })
      expect(await burst('noon')).toMatchObject({ code: 2, stderr: 'Usage: nightly-burst.sh day|night\n' })
    })
  })
})

const routeQuery = `query ($name: String!) {
  route(by: { name: $name }) {
    targets { weight backend { label } } revisions(first: 20) { edges { node { reason } } }
  }
}`

interface RouteShape {
  readonly targets: readonly { readonly weight: number; readonly backend: { readonly label: string } }[]
  readonly revisions: { readonly edges: readonly { readonly node: { readonly reason: string | null } }[] }
}
