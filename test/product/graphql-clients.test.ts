/** The live split, as the usual subscription clients see it. */
import { createClient as createSseClient } from 'graphql-sse'
import { createClient as createWebSocketClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Product, startProduct } from '../support/product.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'

interface Traffic {
  readonly sequence: number
  readonly requests: number
  readonly targets: readonly {
    readonly backendLabel: string
    readonly configuredShare: number
    readonly observedShare: number
    readonly requests: number
  }[]
}

interface SubscriptionEvent {
  readonly data?: unknown
  readonly errors?: unknown
}

/** One client of one kind; `key` undefined: without one. */
type Watch = (query: string, key?: string) => AsyncIterable<SubscriptionEvent>

const overEvents: Watch = (query, key) => {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` }
  return createSseClient({ url: product.graphql.url, headers, retryAttempts: 0 }).iterate({ query })
}
const overWebSocket: Watch = (query, key) => {
  const url = product.graphql.url.replace('http', 'ws')
  const connectionParams = key === undefined ? {} : { authorization: `Bearer ${key}` }
  return createWebSocketClient({ url, connectionParams, webSocketImpl: WebSocket, retryAttempts: 0 }).iterate({ query })
}
const kinds = [
  ['server-sent events', 'watched-by-events', overEvents],
  ['WebSocket', 'watched-by-websocket', overWebSocket],
] as const

let product: Product
let upstream: Upstream
let applicationKey: string

beforeAll(async () => {
  upstream = await openUpstream()
  product = await startProduct()
  for (const name of ['blue', 'green'])
    await product.graphql.change(
      `mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { userErrors { message code path } } }`,
      { input: { name, endpoints: [{ url: upstream.baseUrl }], enableModelRoute: false } },
    )
  const targets = [
    { backend: { deployment: 'blue' }, weight: 1 },
    { backend: { deployment: 'green' }, weight: 3 },
  ]
  for (const [, name] of kinds)
    await product.graphql.change(
      `mutation ($input: RouteCreateInput!) { routeCreate(input: $input) { userErrors { message code path } } }`,
      { input: { name, targets } },
    )
  const created = await product.graphql.change<{ secret: string }>(
    `mutation { apiKeyCreate(input: { name: "application" }) { secret userErrors { message code path } } }`,
  )
  applicationKey = created.secret
})
afterAll(async () => {
  await product.stop()
  await upstream.close()
})

test.each(kinds)('over %s the first event comes at once and the split shows as it happens', async (_, route, watch) => {
  const seen: Traffic[] = []
  for await (const event of watch(subscriptionTo(route), product.adminKey)) {
    const traffic = trafficOf(event)
    seen.push(traffic)
    if (seen.length === 1) await askTimes(route, 40)
    if (traffic.requests >= 40) break
  }
  const [first, last] = [seen[0], seen.at(-1)]
  expect(first).toMatchObject({ sequence: 1, requests: 0 })
  expect(seen.map(({ sequence }) => sequence)).toEqual(seen.map((_, i) => i + 1))
  expect(last?.requests).toBe(40)
  expect(last?.targets).toEqual([
    { backendLabel: 'blue', configuredShare: 0.25, observedShare: 0.25, requests: 10 },
    { backendLabel: 'green', configuredShare: 0.75, observedShare: 0.75, requests: 30 },
  ])
})

test.each(kinds)('over %s nobody sees anything without a key', async (_, route, watch) => {
  const seen: SubscriptionEvent[] = []
  const read = async () => {
    for await (const event of watch(subscriptionTo(route))) {
      if (event.errors) throw new Error(JSON.stringify(event.errors))
      seen.push(event)
    }
  }
  await expect(read()).rejects.toBeDefined()
  expect(seen).toEqual([])
})

function subscriptionTo(route: string): string {
  return `subscription {
    routeTraffic(by: { name: "${route}" }, intervalMs: 250, windowMs: 60000) {
      sequence requests targets { backendLabel configuredShare observedShare requests }
    }
  }`
}

function trafficOf({ data, errors }: SubscriptionEvent): Traffic {
  if (errors) throw new Error(JSON.stringify(errors))
  return (data as { routeTraffic: Traffic }).routeTraffic
}

async function askTimes(model: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const response = await fetch(`${product.gatewayUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${applicationKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages: [] }),
    })
    expect(response.status).toBe(200)
    await response.arrayBuffer()
  }
}
