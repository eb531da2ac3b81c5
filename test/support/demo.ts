/** `npm run demo`: the product with two small model servers of this machine, the guide's routes, traffic on them, and calls to try. Until Ctrl-C. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GraphqlClient } from './graphql-client.ts'
import { modelAnswer } from './model-answers.ts'
import { type Product, startProduct } from './product.ts'
import { openUpstream, refusingBaseUrl } from './upstream.ts'

const providerSecret = 'demo-provider-secret'

await using selfHosted = await openUpstream({
  name: 'demo self-hosted model server',
  script: () => modelAnswer({ text: 'I am the demo of a self-hosted model. I can only say this.', pauseMs: 60 }),
})
await using paid = await openUpstream({
  name: 'demo provider',
  models: ['demo-mini', 'demo-large'],
  script: ({ method }) =>
    method === 'GET'
      ? undefined
      : modelAnswer({
          text: 'I am the demo of a public provider. I can only say this.',
          secret: providerSecret,
          pauseMs: 60,
        }),
})
print('Starting Signalbox with two demo model servers and a temporary data folder …')
const product = await startProduct({ env: { SIGNALBOX_ADMIN_KEY: 'demo-administrator-key' } })
const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
try {
  const key = await setUp(product.graphql)
  print(guide(product, key))
  const ended = Promise.race([stopped, product.exited])
  await Promise.all([ended, makeTraffic(product.gatewayUrl, key, ended)])
} finally {
  await product.stop()
}
print('Stopped. Nothing was kept.')

/** The guide's routes; returns the secret of a key for the gateway. */
async function setUp(graphql: GraphqlClient): Promise<string> {
  const errors = 'userErrors { message code path }'
  const deploymentCreate = `mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { ${errors} } }`
  const endpointOf = (url: string) => [{ url }]
  await graphql.change(deploymentCreate, {
    input: { name: 'demo-llama', upstreamModel: 'llama', endpoints: endpointOf(selfHosted.baseUrl) },
  })
  await graphql.change(deploymentCreate, {
    input: { name: 'demo-broken', enableModelRoute: false, endpoints: endpointOf(await refusingBaseUrl()) },
  })
  await graphql.change(`mutation ($input: ProviderCreateInput!) { providerCreate(input: $input) { ${errors} } }`, {
    input: {
      name: 'demo-provider',
      baseUrl: paid.baseUrl,
      secrets: [providerSecret],
      models: [{ upstreamModel: 'demo-mini', pricing: { inputPerMillion: '0.15', outputPerMillion: '0.60' } }],
    },
  })
  const routeCreate = `mutation ($input: RouteCreateInput!) { routeCreate(input: $input) { ${errors} } }`
  const demoMini = { providerModel: { provider: 'demo-provider', model: 'demo-mini' } }
  await graphql.change(routeCreate, {
    input: {
      name: 'demo-weighted',
      targets: [
        { backend: { deployment: 'demo-llama' }, weight: 100 },
        { backend: demoMini, weight: 200 },
      ],
    },
  })
  await graphql.change(routeCreate, {
    input: {
      name: 'demo-fallback',
      targets: [{ backend: { deployment: 'demo-broken' } }],
      fallback: { backends: [demoMini] },
    },
  })
  const { secret } = await graphql.change<{ secret: string }>(
    `mutation { apiKeyCreate(input: { name: "demo application" }) { secret ${errors} } }`,
  )
  return secret
}

/** A few requests a second on each route, so that the wall of the console has something to show. */
async function makeTraffic(gatewayUrl: string, key: string, ended: Promise<unknown>): Promise<void> {
  const leaving = new AbortController()
  void ended.finally(() => leaving.abort())
  const ask = async (model: string) => {
    const answer = await fetch(`${gatewayUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Who are you?' }] }),
      signal: leaving.signal,
    })
    await answer.arrayBuffer()
  }
  while (!leaving.signal.aborted) {
    await Promise.allSettled(['demo-llama', 'demo-weighted', 'demo-weighted', 'demo-fallback'].map(ask))
    await sleep(200, undefined, { signal: leaving.signal }).catch(() => undefined)
  }
}

function guide({ apiUrl, gatewayUrl, adminKey }: Product, key: string): string {
  const ask = (model: string, extra = '') =>
    `  curl -si ${gatewayUrl}/v1/chat/completions -H 'authorization: Bearer ${key}' -H 'content-type: application/json' \\
    -d '{"model":"${model}",${extra}"messages":[{"role":"user","content":"Who are you?"}]}'`
  const call = (document: string, options = '') =>
    `  curl -s${options} ${apiUrl}/graphql -H 'authorization: Bearer ${adminKey}' -H 'content-type: application/json' \\
    -d '${JSON.stringify({ query: document })}'`
  const weights = (llama: number, mini: number) =>
    `weights: [{ target: { deployment: "demo-llama" }, weight: ${llama} }, ` +
    `{ target: { providerModel: { provider: "demo-provider", model: "demo-mini" } }, weight: ${mini} }]`

  return `
DEMO. Both models are scripts on this machine: they stand in for a GPU and for a paid provider, and always say the same.
Some requests a second come by themselves: the console shows them.

  Console    ${apiUrl}/console   key: ${adminKey}
  GraphiQL   ${apiUrl}/      key: ${adminKey}
  Gateway    ${gatewayUrl}/v1   key: ${key}

1. Ask a route that was made together with its deployment:

${ask('demo-llama')}

2. Ask a weighted route, 100:200. Of each three answers one is from the self-hosted model; x-signalbox-backend says who served:

${ask('demo-weighted')}

3. Switch all its traffic to the self-hosted model, then ask again:

${call(`mutation { routeTrafficSet(input: { route: { name: "demo-weighted" }, ${weights(100, 0)} }) { route { revision targets { share backend { label } } } userErrors { message code path } } }`)}

4. Watch the split live while you ask:

${call('subscription { routeTraffic(by: { name: "demo-weighted" }) { requests targets { backendLabel configuredShare observedShare } } }', "N -H 'accept: text/event-stream'")}

5. Ask a route whose only target is down, streamed: the fallback serves, x-signalbox-fallback says why:

${ask('demo-fallback', '"stream":true,')}

6. What was used, by route and backend:

${call('{ usage(range: { from: "2020-01-01T00:00:00.000Z" }, groupBy: [ROUTE, BACKEND]) { rows { group { labels } metrics { requests inputTokens outputTokens cost } } } }')}

Ctrl-C ends it and removes its data.
`
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
