/** What a new user does in the first hour, with the product started as a user starts it. */
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { modelAnswer } from '../support/model-answers.ts'
import { type Product, startProduct } from '../support/product.ts'
import { reset, status, stream } from '../support/replies.ts'
import { until } from '../support/until.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'

let product: Product
beforeAll(async () => {
  product = await startProduct()
})
afterAll(async () => {
  await product.stop()
})

test('a deployment comes with a route of its name, and the official client can use it at once', async () => {
  await using server = await openUpstream({ name: 'llama' })
  const { deployment, route } = await createDeployment({
    name: 'llama-3.3-70b',
    engine: 'VLLM',
    endpoints: [endpoint(server)],
  })
  expect(deployment).toMatchObject({ name: 'llama-3.3-70b', upstreamModel: 'llama-3.3-70b' })
  expect(route).toMatchObject({ name: 'llama-3.3-70b', revision: 1, targets: [{ weight: 100, share: 1 }] })

  const key = await createKey('first application')
  const client = openClient(key.secret)
  const { data, response } = await client.chat.completions.create(question('llama-3.3-70b')).withResponse()
  expect(textOf(data)).toBe('hello from llama')
  expect(servedBy(response)).toEqual({
    route: 'llama-3.3-70b',
    revision: '1',
    backend: 'llama-3.3-70b',
    attempts: '1',
    fallback: null,
  })
  expect(response.headers.get('x-request-id')).toBeTruthy()
  expect(await readStream(client, 'llama-3.3-70b')).toBe('hello from llama')
  expect((await client.models.list()).data.map(({ id }) => id)).toContain('llama-3.3-70b')

  expect(server.inferences).toHaveLength(2)
  for (const request of server.inferences) {
    expect(request.json()['model']).toBe('llama-3.3-70b')
    expect(JSON.stringify(request.rawHeaders)).not.toContain(key.secret)
  }
})

test('a model is upgraded behind its alias while a long stream runs to its end', async () => {
  const gate = Promise.withResolvers<void>()
  const longAnswer = modelAnswer({
    text: 'the old one says its all',
    beforeEvent: (i) => (i === 3 ? gate.promise : undefined),
  })
  await using old = await openUpstream({ name: 'old', script: () => longAnswer })
  await using young = await openUpstream({ name: 'young' })
  await createDeployment({ name: 'chat-v1', endpoints: [endpoint(old)], enableModelRoute: false })
  await createRoute({ name: 'assistant', targets: [{ backend: { deployment: 'chat-v1' } }] })
  const client = openClient((await createKey('upgrade')).secret)

  const running = await client.chat.completions.create({ ...question('assistant'), stream: true })
  const chunks = running[Symbol.asyncIterator]()
  let text = ''
  while (text === '') text += (await chunks.next()).value?.choices[0]?.delta.content ?? ''

  await createDeployment({ name: 'chat-v2', endpoints: [endpoint(young)], enableModelRoute: false })
  const replaced = await product.graphql.change<{ route: RouteShape }>(
    `mutation ($input: RouteTargetReplaceInput!) {
      routeTargetReplace(input: $input) { route { revision targets { weight backend { label } } } userErrors { message code path } }
    }`,
    { input: { route: { name: 'assistant' }, target: { deployment: 'chat-v1' }, backend: { deployment: 'chat-v2' } } },
  )
  expect(replaced.route).toEqual({ revision: 2, targets: [{ weight: 100, backend: { label: 'chat-v2' } }] })

  for (let i = 0; i < 10; i++) {
    const { data, response } = await client.chat.completions.create(question('assistant')).withResponse()
    expect(textOf(data)).toBe('hello from young')
    expect(servedBy(response)).toMatchObject({ revision: '2', backend: 'chat-v2' })
  }
  expect(old.inferences).toHaveLength(1)

  gate.resolve()
  for (let next = await chunks.next(); !next.done; next = await chunks.next())
    text += next.value.choices[0]?.delta.content ?? ''
  expect(text).toBe('the old one says its all')
})

test('weights 100 and 200 are 33 and 67 of 100 requests, until a mutation switches them', async () => {
  await using one = await openUpstream({ name: 'one' })
  await using two = await openUpstream({ name: 'two', secret: 'secret-of-two' })
  await createDeployment({ name: 'self-hosted', endpoints: [endpoint(one)], enableModelRoute: false })
  const models = [{ upstreamModel: 'big' }]
  await createProvider({ name: 'public', baseUrl: two.baseUrl, secrets: ['secret-of-two'], models })
  const big = { providerModel: { provider: 'public', model: 'big' } }
  const targets = [
    { backend: { deployment: 'self-hosted' }, weight: 100 },
    { backend: big, weight: 200 },
  ]
  const route = await createRoute({ name: 'mixed', targets })
  expect(route.targets.map(({ share }) => share)).toEqual([1 / 3, 2 / 3])

  const client = openClient((await createKey('split')).secret)
  await askTimes(client, 'mixed', 100)
  expect(Math.abs(one.inferences.length - 100 / 3)).toBeLessThan(1)
  expect(Math.abs(two.inferences.length - 200 / 3)).toBeLessThan(1)
  await askTimes(client, 'mixed', 200)
  expect([one.inferences.length, two.inferences.length]).toEqual([100, 200])
  expect(two.inferences.every((request) => request.json()['model'] === 'big')).toBe(true)

  const switched = await setTraffic('mixed', [
    { target: { deployment: 'self-hosted' }, weight: 0 },
    { target: big, weight: 1 },
  ])
  expect(switched).toMatchObject({ revision: 2, targets: [{ share: 0 }, { share: 1 }] })
  await askTimes(client, 'mixed', 30)
  expect([one.inferences.length, two.inferences.length]).toEqual([100, 230])
})

test('a deployment falls back to a provider when it fails, and not otherwise', async () => {
  await using primary = await openUpstream({ name: 'primary' })
  await using spare = await openUpstream({ name: 'spare', secret: 'secret-of-spare' })
  await createDeployment({ name: 'capacity', endpoints: [endpoint(primary)], enableModelRoute: false })
  await createProvider({
    name: 'spare-provider',
    baseUrl: spare.baseUrl,
    secrets: ['secret-of-spare'],
    models: [{ upstreamModel: 'spare-model' }],
  })
  await createRoute({
    name: 'safe',
    targets: [{ backend: { deployment: 'capacity' } }],
    fallback: { backends: [{ providerModel: { provider: 'spare-provider', model: 'spare-model' } }] },
  })
  await expectFallback('safe', { primary, spare, spareLabel: 'spare-provider/spare-model' })
})

test('a provider falls back to a deployment when it fails, and not otherwise', async () => {
  await using primary = await openUpstream({ name: 'primary' })
  await using spare = await openUpstream({ name: 'spare' })
  await createProvider({ name: 'bought', baseUrl: primary.baseUrl, models: [{ upstreamModel: 'bought-model' }] })
  await createDeployment({ name: 'own', endpoints: [endpoint(spare)], enableModelRoute: false })
  await createRoute({
    name: 'safe-too',
    targets: [{ backend: { providerModel: { provider: 'bought', model: 'bought-model' } } }],
    fallback: { backends: [{ deployment: 'own' }] },
  })
  await expectFallback('safe-too', { primary, spare, spareLabel: 'own' })
})

test('a custom provider is probed, its route prefilled, access restricted, and its tokens are counted', async () => {
  const secret = 'secret-of-the-custom-provider'
  await using server = await openUpstream({ name: 'custom', models: ['coder-1', 'coder-2'], secret })
  const probe = await product.graphql.change<{ models: { upstreamModel: string }[] }>(
    `mutation ($input: ProviderProbeInput!) {
      providerProbe(input: $input) { models { upstreamModel selected } latencyMs userErrors { message code path } }
    }`,
    { input: { draft: { baseUrl: server.baseUrl, secret } } },
  )
  expect(probe.models).toEqual([
    { upstreamModel: 'coder-1', selected: false },
    { upstreamModel: 'coder-2', selected: false },
  ])
  await createProvider({
    name: 'custom',
    baseUrl: server.baseUrl,
    secrets: [secret],
    models: [{ upstreamModel: 'coder-1', pricing: { inputPerMillion: '2.5', outputPerMillion: '10' } }],
  })
  const { route } = await product.graphql.change<{ route: RouteShape & { id: string } }>(
    `mutation {
      providerRouteCreate(input: { provider: { name: "custom" } }) {
        route { id name targets { weight backend { label upstreamModel } } } userErrors { message code path }
      }
    }`,
  )
  const target = { weight: 100, backend: { label: 'custom/coder-1', upstreamModel: 'coder-1' } }
  expect(route).toMatchObject({ name: 'coder-1', targets: [target] })

  const [invited, stranger] = [await createKey('invited'), await createKey('stranger')]
  await product.graphql.change(
    `mutation ($input: RouteAccessSetInput!) {
      routeAccessSet(input: $input) { route { access { policy } } userErrors { message code path } }
    }`,
    { input: { route: { name: 'coder-1' }, access: { policy: 'RESTRICTED', apiKeyIds: [invited.id] } } },
  )
  const asker = openClient(invited.secret)
  await expect(askOnce(openClient('no-key-at-all'), 'coder-1')).rejects.toMatchObject({
    status: 401,
    code: 'invalid_api_key',
  })
  await expect(askOnce(openClient(stranger.secret), 'coder-1')).rejects.toMatchObject({
    status: 403,
    code: 'route_not_allowed',
  })
  expect(server.inferences).toHaveLength(0)
  expect(await askOnce(asker, 'coder-1')).toBe('hello from custom')
  expect(await readStream(asker, 'coder-1')).toBe('hello from custom')
  expect(server.inferences.map(({ headers }) => headers.authorization)).toEqual([
    `Bearer ${secret}`,
    `Bearer ${secret}`,
  ])

  const report = await until(async () => {
    const { usage } = await product.graphql.request<{ usage: UsageShape }>(usageOfRoute, {
      range: { from: new Date(Date.now() - 3_600_000).toISOString() },
      route: route.id,
    })
    return usage.totals.requests === 2 && usage
  })
  expect(report.rows).toHaveLength(1)
  expect(report.rows[0]).toMatchObject({
    group: { labels: ['coder-1', 'custom/coder-1', 'invited'], route: { name: 'coder-1' } },
    metrics: { requests: 2, attempts: 2, failures: 0, inputTokens: 22, outputTokens: 6, estimatedRequests: 0 },
  })
  expect(Number(report.rows[0]?.metrics.cost)).toBeCloseTo((22 * 2.5 + 6 * 10) / 1e6, 12)
  expect(product.output()).not.toContain(secret)
})

test('and in the end it stops when it is told to, with exit code 0', async () => {
  expect(await product.stop()).toBe(0)
})

interface RouteShape {
  readonly revision: number
  readonly name: string
  readonly targets: readonly { weight: number; share: number; backend: { label: string } }[]
}

interface UsageShape {
  readonly totals: { readonly requests: number }
  readonly rows: readonly { readonly metrics: { readonly cost: string | null } }[]
}

const usageOfRoute = `query ($range: TimeRangeInput!, $route: ID!) {
  usage(range: $range, groupBy: [ROUTE, BACKEND, API_KEY], filter: { routeIds: [$route], outcomes: [OK] }) {
    totals { requests }
    rows {
      group { labels route { name } }
      metrics { requests attempts failures inputTokens outputTokens estimatedRequests cost }
    }
  }
}`

/** The rows of the failure contract that matter most in the first hour, with a healthy request before and after. */
async function expectFallback(
  route: string,
  { primary, spare, spareLabel }: { primary: Upstream; spare: Upstream; spareLabel: string },
) {
  const client = openClient((await createKey(route)).secret)
  const ask = async () => {
    const { data, response } = await client.chat.completions.create(question(route)).withResponse()
    return { text: textOf(data), ...servedBy(response) }
  }
  const bySpare = (trigger: string) => ({
    text: 'hello from spare',
    backend: spareLabel,
    attempts: '2',
    fallback: trigger,
  })

  expect(await ask()).toMatchObject({ text: 'hello from primary', attempts: '1', fallback: null })
  expect(spare.inferences).toHaveLength(0)

  primary.answerNext(status(503))
  expect(await ask()).toMatchObject(bySpare('server_error'))
  await expectAtHome(ask)
  // The first one meets a connection that was used before, and is sent once more on a new one.
  primary.answerNext(reset(), reset())
  expect(await ask()).toMatchObject(bySpare('connect_error'))
  await expectAtHome(ask)

  // The client's own mistake is nobody's failure.
  const before = spare.inferences.length
  primary.answerNext(
    status(400, { error: { message: 'no such tool', type: 'invalid_request_error', param: null, code: 'bad_tool' } }),
  )
  await expect(ask()).rejects.toMatchObject({ status: 400, code: 'bad_tool' })
  expect(spare.inferences).toHaveLength(before)

  // A stream that dies before its first content moves on; one that dies later must not look complete.
  primary.answerNext(stream([': hello\n\n'], { cutAfterEvents: 1, cutBy: 'reset' }))
  expect(await readStream(client, route)).toBe('hello from spare')
  await expectAtHome(ask)
  const beforeCut = spare.inferences.length
  const event = { id: 'x', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: 'half a' } }] }
  primary.answerNext(stream([event], { cutAfterEvents: 1, cutBy: 'reset' }))
  await expect(readStream(client, route)).rejects.toThrow(Error)
  expect(spare.inferences).toHaveLength(beforeCut)

  await primary.stopListening()
  expect(await ask()).toMatchObject(bySpare('connect_error'))
  await primary.listenAgain()
  await expectAtHome(ask)
  primary.answerNext(status(429))
  expect(await ask()).toMatchObject(bySpare('rate_limited'))
}

async function expectAtHome(ask: () => Promise<object>) {
  expect(await ask()).toMatchObject({ text: 'hello from primary', fallback: null })
}

function endpoint(upstream: Upstream) {
  return { url: upstream.baseUrl }
}

async function createDeployment(input: object) {
  return product.graphql.change<{ deployment: { name: string; upstreamModel: string }; route: RouteShape | null }>(
    `mutation ($input: DeploymentCreateInput!) {
      deploymentCreate(input: $input) {
        deployment { name upstreamModel }
        route { name revision targets { weight share backend { label } } }
        userErrors { message code path }
      }
    }`,
    { input },
  )
}

async function createProvider(input: object) {
  await product.graphql.change(
    `mutation ($input: ProviderCreateInput!) {
      providerCreate(input: $input) { provider { name models { label } } userErrors { message code path } }
    }`,
    { input },
  )
}

async function createRoute(input: object): Promise<RouteShape> {
  const { route } = await product.graphql.change<{ route: RouteShape }>(
    `mutation ($input: RouteCreateInput!) {
      routeCreate(input: $input) {
        route { name revision targets { weight share backend { label } } } userErrors { message code path }
      }
    }`,
    { input },
  )
  return route
}

async function setTraffic(route: string, weights: readonly object[]): Promise<RouteShape> {
  const payload = await product.graphql.change<{ route: RouteShape }>(
    `mutation ($input: RouteTrafficSetInput!) {
      routeTrafficSet(input: $input) { route { revision targets { share } } userErrors { message code path } }
    }`,
    { input: { route: { name: route }, weights } },
  )
  return payload.route
}

async function createKey(name: string): Promise<{ id: string; secret: string }> {
  const { apiKey, secret } = await product.graphql.change<{ apiKey: { id: string }; secret: string }>(
    `mutation ($name: String!) {
      apiKeyCreate(input: { name: $name }) { apiKey { id } secret userErrors { message code path } }
    }`,
    { name },
  )
  return { id: apiKey.id, secret }
}

function openClient(apiKey: string): OpenAI {
  return new OpenAI({ baseURL: `${product.gatewayUrl}/v1`, apiKey, maxRetries: 0 })
}

function question(model: string) {
  return { model, messages: [{ role: 'user' as const, content: 'Who are you?' }] }
}

function textOf(completion: OpenAI.ChatCompletion): string | null | undefined {
  return completion.choices[0]?.message.content
}

async function askOnce(client: OpenAI, model: string) {
  return textOf(await client.chat.completions.create(question(model)))
}

/** Ten at a time. */
async function askTimes(client: OpenAI, model: string, times: number): Promise<void> {
  for (let asked = 0; asked < times; asked += 10)
    await Promise.all(Array.from({ length: 10 }, () => askOnce(client, model)))
}

async function readStream(client: OpenAI, model: string): Promise<string> {
  let text = ''
  for await (const chunk of await client.chat.completions.create({ ...question(model), stream: true }))
    text += chunk.choices[0]?.delta.content ?? ''
  return text
}

function servedBy({ headers }: Response) {
  const names = ['route', 'revision', 'backend', 'attempts', 'fallback'] as const
  return Object.fromEntries(
    names.map((name) => {
      const value = headers.get(`x-signalbox-${name}`)
      return [name, value === null ? null : decodeURIComponent(value)]
    }),
  ) as Record<(typeof names)[number], string | null>
}
