/** Every example of GraphiQL, run in the order of its tabs against the whole product, as a newcomer would: what is in capitals is filled in. */
import { parse } from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exampleTabs } from '../../../src/graphql/graphiql/examples.ts'
import { modelAnswer } from '../../support/model-answers.ts'
import { type Product, startProduct } from '../../support/product.ts'
import { openUpstream, type Upstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'

let product: Product
let server: Upstream
beforeAll(async () => {
  const script = ({ method }: { method: string }) => (method === 'GET' ? undefined : modelAnswer({ text: 'Hello.' }))
  server = await openUpstream({ name: 'a model server', models: ['llama3.2', 'Qwen/Qwen3-8B'], script })
  product = await startProduct()
})
afterAll(async () => {
  await product?.stop()
  await server?.[Symbol.asyncDispose]()
})

interface Answer {
  readonly data: Record<string, unknown>
  readonly errors?: unknown
}

async function post(query: string, operationName: string, accept: string): Promise<Response> {
  return fetch(`${product.apiUrl}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${product.adminKey}`, 'content-type': 'application/json', accept },
    body: JSON.stringify({ query, operationName }),
  })
}

/** The first event of a subscription. */
async function firstEvent(query: string, operationName: string): Promise<Answer> {
  const response = await post(query, operationName, 'text/event-stream')
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk, { stream: true })
    const data = /^data: (\{.*\})$/m.exec(text)
    if (data) return JSON.parse(data[1]!) as Answer
  }
  throw new Error(`the stream ended: ${text}`)
}

/** What somebody copies from one answer into the next call. */
const remembered = new Map<string, string>()

function fillIn(query: string): string {
  const values = [
    ['ID OF YOUR KEY', remembered.get('viewer')],
    ['ID OF THE KEY', remembered.get('apiKey')],
    ['ID OF THE USER', remembered.get('user')],
    ['ID OF THE LIMIT', remembered.get('rateLimit')],
    ['ID OF THE BUDGET', remembered.get('budget')],
    ['YOUR OPENAI KEY', 'sk-of-a-test'],
  ] as const
  const filled = values.reduce((text, [what, value]) => text.replaceAll(what, () => value ?? what), query)
  return filled.replaceAll(/http:\/\/127\.0\.0\.1:(8000|8001|11434)\/v1/g, server.baseUrl)
}

function remember(data: Answer['data']): void {
  const { actor } = (data['viewer'] ?? {}) as { actor?: { id: string } }
  if (actor) remembered.set('viewer', actor.id)
  for (const payload of Object.values(data) as (Record<string, { id?: string } | null> | null)[])
    for (const [name, made] of Object.entries(payload ?? {})) if (made?.id) remembered.set(name, made.id)
}

async function run(query: string, operationName: string, isSubscription: boolean): Promise<Answer> {
  const document = fillIn(query)
  if (isSubscription) return firstEvent(document, operationName)
  return (await (await post(document, operationName, 'application/json')).json()) as Answer
}

// In one test: each goes on from the one before.
test('every example works as it stands, one after the other, once what is in capitals is filled in', async () => {
  for (const { query } of exampleTabs) {
    const tab = query.split('\n')[0]
    for (const definition of parse(query).definitions) {
      if (definition.kind !== 'OperationDefinition') continue
      const name = definition.name!.value
      const { data, errors } = await run(query, name, definition.operation === 'subscription')
      expect([tab, name, errors]).toEqual([tab, name, undefined])
      for (const payload of Object.values(data) as ({ userErrors?: unknown[] } | null)[]) {
        expect([tab, name, payload]).not.toEqual([tab, name, null])
        expect([tab, name, payload?.userErrors ?? []]).toEqual([tab, name, []])
      }
      remember(data)
    }
  }
})

test('after them the product does what they say', async () => {
  const state = await product.graphql.request<{ route: { revision: number; targets: unknown[] } }>(
    `{ route(by: { name: "qwen3-8b" }) { revision targets { backend { label } } } }`,
  )
  expect(state.route.targets).toEqual([{ backend: { label: 'qwen3-8b' } }])
  const names = await product.graphql.request<{ rateLimits: { totalCount: number }; budgets: { totalCount: number } }>(
    '{ rateLimits(first: 1) { totalCount } budgets(first: 1) { totalCount } }',
  )
  expect(names).toEqual({ rateLimits: { totalCount: 1 }, budgets: { totalCount: 1 } })
  const explained = await until(async () => {
    const { routeExplain } = await product.graphql.request<{ routeExplain: { refusal: number | null } }>(
      `query ($key: ID!) { routeExplain(input: { model: "qwen3-8b", apiKeyId: $key }) { refusal } }`,
      { key: remembered.get('viewer') },
    )
    return routeExplain
  })
  expect(explained).toEqual({ refusal: null })
})

test('the tabs cover what is asked for on day two', () => {
  const headings = exampleTabs.map(({ query }) => query.split('\n')[0])
  for (const name of [
    'Is it well?',
    'Colleague',
    'Rotate a key',
    'Prices',
    'Why fallback?',
    'Roll back',
    'Limits',
    'Budgets',
  ])
    expect(headings).toContain(`# ${name}`)
})
