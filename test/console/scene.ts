/** The product with model servers of this machine and routes of every kind, for tests that look at the console. */
import { modelAnswer } from '../support/model-answers.ts'
import { type Product, startProduct } from '../support/product.ts'
import { openUpstream, refusingBaseUrl, type Upstream } from '../support/upstream.ts'

export interface Scene extends AsyncDisposable {
  readonly product: Product
  readonly upstreams: Readonly<Record<'llama' | 'qwen' | 'openai', Upstream>>
  readonly routeId: (name: string) => Promise<string>
  /** Asks a route `count` times, one after the other; the backends that served. */
  readonly ask: (route: string, count?: number) => Promise<readonly string[]>
}

const faults = 'userErrors { code message path }'

export async function openScene(): Promise<Scene> {
  await using opened = new AsyncDisposableStack()
  const upstreams = {
    llama: opened.use(await openUpstream({ name: 'llama', script: () => modelAnswer({ text: 'Hello from llama.' }) })),
    qwen: opened.use(await openUpstream({ name: 'qwen', script: () => modelAnswer({ text: 'Hello from qwen.' }) })),
    openai: opened.use(
      await openUpstream({
        name: 'openai',
        models: ['gpt-5-mini'],
        script: ({ method }) => (method === 'GET' ? undefined : modelAnswer({ text: 'Hello from the provider.' })),
      }),
    ),
  }
  const product = await startProduct()
  opened.defer(async () => void (await product.stop()))
  const { graphql } = product

  const deploy = (input: Readonly<Record<string, unknown>>) =>
    graphql.change(`mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { ${faults} } }`, {
      input,
    })
  const create = (input: Readonly<Record<string, unknown>>) =>
    graphql.change(`mutation ($input: RouteCreateInput!) { routeCreate(input: $input) { ${faults} } }`, { input })
  await deploy({ name: 'llama-3.3-70b', endpoints: [{ url: upstreams.llama.baseUrl }], enableModelRoute: false })
  await deploy({ name: 'qwen3-32b', endpoints: [{ url: upstreams.qwen.baseUrl }], enableModelRoute: false })
  await deploy({ name: 'broken', endpoints: [{ url: await refusingBaseUrl() }], enableModelRoute: false })
  await graphql.change(`mutation ($input: ProviderCreateInput!) { providerCreate(input: $input) { ${faults} } }`, {
    input: {
      name: 'openai',
      baseUrl: upstreams.openai.baseUrl,
      secrets: ['a-secret-of-a-provider'],
      models: [{ upstreamModel: 'gpt-5-mini', pricing: { inputPerMillion: '0.25', outputPerMillion: '2' } }],
    },
  })
  const mini = { providerModel: { provider: 'openai', model: 'gpt-5-mini' } }
  await create({
    name: 'chat',
    targets: [
      { backend: { deployment: 'llama-3.3-70b' }, weight: 100 },
      { backend: { deployment: 'qwen3-32b' }, weight: 300 },
    ],
    fallback: { backends: [mini] },
    reason: 'first routes',
  })
  await create({ name: 'assistant', targets: [{ backend: mini }], reason: 'first routes' })
  await create({
    name: 'support',
    targets: [{ backend: { deployment: 'broken' } }],
    fallback: { backends: [mini], triggers: ['CONNECT_ERROR', 'UNAVAILABLE'] },
  })
  const { secret } = await graphql.change<{ secret: string }>(
    `mutation { apiKeyCreate(input: { name: "shop", scopes: [INFERENCE] }) { secret ${faults} } }`,
  )

  const stack = opened.move()
  return {
    product,
    upstreams,
    async routeId(name) {
      const query = 'query ($name: String!) { route(by: { name: $name }) { id } }'
      return (await graphql.request<{ route: { id: string } }>(query, { name })).route.id
    },
    async ask(route, count = 1) {
      const served: string[] = []
      for (let turn = 0; turn < count; turn++) served.push(await askOnce(product.gatewayUrl, secret, route))
      return served
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

async function askOnce(gatewayUrl: string, key: string, model: string): Promise<string> {
  const response = await fetch(`${gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] }),
  })
  await response.arrayBuffer()
  return decodeURIComponent(response.headers.get('x-signalbox-backend') ?? String(response.status))
}
