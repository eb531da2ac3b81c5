/** The subscription to changes of the configuration, where several processes make them. */
import { randomBytes } from 'node:crypto'
import { createClient as createSseClient } from 'graphql-sse'
import { createClient as createWebSocketClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestDatabase } from '../support/database.ts'
import { type Product, startProduct } from '../support/product.ts'

interface Event {
  readonly data?: { readonly configChanged: { readonly version: number; readonly changed: readonly object[] } } | null
  readonly errors?: readonly { readonly extensions?: { readonly code?: string } }[]
}
type Events = AsyncIterator<Event>

const query = 'subscription { configChanged { version changed { id } } }'
const overEvents = (product: Product, key: string): Events => {
  const headers = { authorization: `Bearer ${key}` }
  const client = createSseClient({ url: product.graphql.url, headers, retryAttempts: 0 })
  return client.iterate({ query }) as unknown as Events
}
const overWebSocket = (product: Product, key: string): Events => {
  const url = product.graphql.url.replace('http', 'ws')
  const connectionParams = { authorization: `Bearer ${key}` }
  const client = createWebSocketClient({ url, connectionParams, webSocketImpl: WebSocket, retryAttempts: 0 })
  return client.iterate({ query }) as unknown as Events
}

let opened: AsyncDisposableStack
let here: Product
let there: Product

beforeAll(async () => {
  opened = new AsyncDisposableStack()
  const { url } = opened.use(await openTestDatabase({ migrated: false }))
  const env = { DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: randomBytes(32).toString('hex') }
  ;[here, there] = await Promise.all([startProduct({ env }), startProduct({ env })])
  opened.use(here)
  opened.use(there)
})
afterAll(() => opened.disposeAsync())

test.each([
  ['server-sent events', overEvents],
  ['WebSocket', overWebSocket],
])('over %s every change of every process is told, once and in order', async (kind, watch) => {
  const events = watch(there, there.adminKey)
  const first = (await events.next()).value as Event
  const before = first.data!.configChanged.version
  const changes = Array.from({ length: 60 }, (_, i) =>
    (i % 2 === 0 ? here : there).graphql.change<{ configVersion: number }>(
      'mutation ($name: String!) { userCreate(input: { name: $name }) { configVersion userErrors { code message path } } }',
      { name: `${kind} ${i}` },
    ),
  )
  await Promise.all(changes)
  const told = []
  for (let i = 0; i < changes.length; i++) told.push(((await events.next()).value as Event).data!.configChanged)
  expect(told.map(({ version }) => version)).toEqual(changes.map((_, i) => before + 1 + i))
  expect(told.every(({ changed }) => changed.length === 1)).toBe(true)
  await events.return?.()
})

test.each([
  ['server-sent events', overEvents],
  ['WebSocket', overWebSocket],
])('over %s a subscription ends when another process revokes its key', async (_kind, watch) => {
  const made = await here.graphql.change<{ secret: string; apiKey: { id: string } }>(
    'mutation { apiKeyCreate(input: { name: "watcher", scopes: [CONFIG_READ] }) { secret apiKey { id } userErrors { code message path } } }',
  )
  const events = watch(there, made.secret)
  expect((await events.next()).value).toMatchObject({ data: { configChanged: { changed: [] } } })
  await here.graphql.change(
    'mutation ($id: ID!) { apiKeyRevoke(input: { id: $id }) { userErrors { code message path } } }',
    { id: made.apiKey.id },
  )
  expect(((await events.next()).value as Event).errors?.[0]?.extensions?.code).toBe('UNAUTHENTICATED')
  expect((await events.next()).done).toBe(true)
})
