import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { insertUsageRecords } from '../../../src/storage/usage/ledger/insert.ts'
import { until } from '../../support/until.ts'
import { usageRecord } from '../../support/usage-record.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
})
afterEach(async () => {
  await until(() => api.live.requestListeners.size === 0 && api.live.snapshotListeners() === 0)
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

interface Change {
  readonly kind: string
  readonly at: string
  readonly budget: { readonly id: string; readonly amount: string }
  readonly state: { readonly labels: readonly string[]; readonly spent: string; readonly remaining: string }
}

interface Watch extends AsyncDisposable {
  next(): Promise<Change>
}

/** Over server-sent events. */
async function watch(id: string | null, key = api.adminKey): Promise<Watch> {
  const stop = new AbortController()
  const response = await fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${key}` },
    body: JSON.stringify({
      query: `subscription ($id: ID) { budgetChanged(id: $id) { kind at budget { id amount } state { labels spent remaining exhausted } } }`,
      variables: { id },
    }),
    signal: stop.signal,
  })
  const events = readEvents(response)
  return {
    next: async () => (await events.next()).value as Change,
    [Symbol.asyncDispose]: async () => stop.abort(),
  }
}

async function* readEvents(response: Response): AsyncGenerator<Change, undefined> {
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const messages = text.split('\n\n')
    text = messages.pop()!
    for (const message of messages) {
      const data = /^event: next\ndata: (.*)$/s.exec(message)?.[1]
      if (!data) continue
      const { data: value, errors } = JSON.parse(data) as {
        data: { budgetChanged: Change } | null
        errors?: readonly { extensions: { code: string } }[]
      }
      if (errors) throw new Error(errors[0]!.extensions.code)
      yield value!.budgetChanged
    }
  }
  return undefined
}

async function change<T>(name: string, input: object, fields: string): Promise<T> {
  const type = `${name[0]!.toUpperCase()}${name.slice(1)}Input`
  return api.graphql.change<T>(
    `mutation ($input: ${type}!) { ${name}(input: $input) { userErrors { code message path } ${fields} } }`,
    { input },
  )
}

async function createBudget(input: object): Promise<string> {
  return (await change<{ budget: { id: string } }>('budgetCreate', input, 'budget { id }')).budget.id
}

/** A request of a gateway: its record, and the news of it. */
async function spend(cost: string, about: Partial<ReturnType<typeof usageRecord>>): Promise<void> {
  const record = usageRecord({ startedAtMs: Date.now() - 100, cost, ...about })
  await insertUsageRecords(api.control.db, [record])
  for (const listener of api.live.requestListeners) listener(record)
}

test('a budget tells how it stands at once, then each share once, that it is used up, a raise, and a new period', async () => {
  const { userId, apiKeyId } = await api.makeKey('MEMBER', ['INFERENCE'])
  const id = await createBudget({ subject: { id: userId }, amount: '1', period: 'YEAR', warnAt: [0.5, 0.8] })
  await using watched = await watch(id)
  expect(await watched.next()).toMatchObject({
    kind: 'CURRENT',
    budget: { id, amount: '1' },
    state: { labels: [], spent: '0', remaining: '1', exhausted: false },
  })
  await spend('0.5', { userId, apiKeyId })
  expect(await watched.next()).toMatchObject({ kind: 'WARNED', state: { spent: '0.5' } })
  // The share of 0.5 is told already.
  await spend('0.5', { userId, apiKeyId })
  expect(await watched.next()).toMatchObject({ kind: 'WARNED', state: { spent: '1', exhausted: true } })
  expect(await watched.next()).toMatchObject({ kind: 'EXHAUSTED', state: { spent: '1', remaining: '0' } })
  await change('budgetRaise', { id, amount: '0.25' }, 'budget { id }')
  expect(await watched.next()).toMatchObject({ kind: 'RAISED', state: { remaining: '0.25', exhausted: false } })
  await spend('0.3', { userId, apiKeyId })
  expect(await watched.next()).toMatchObject({ kind: 'EXHAUSTED', state: { remaining: '-0.05' } })
  // Another period runs, in which the same was spent: what it passed in the period before is told again.
  await change('budgetUpdate', { id, amount: '1000', period: 'TOTAL' }, 'budget { id }')
  expect(await watched.next()).toMatchObject({ kind: 'RENEWED', budget: { amount: '1000' } })
}, 30_000)

test('parts of a budget are told apart, and a member hears of its own', async () => {
  const ada = await api.makeKey('MEMBER', ['INFERENCE'])
  const bob = await api.makeKey('MEMBER', ['INFERENCE'])
  const id = await createBudget({
    subject: { installation: true },
    per: ['API_KEY'],
    amount: '0.1',
    period: 'TOTAL',
    warnAt: [],
  })
  await spend('0.01', { apiKeyId: ada.apiKeyId, apiKeyName: 'ada', userId: ada.userId })
  await using watched = await watch(id, ada.key)
  expect(await watched.next()).toMatchObject({ kind: 'CURRENT', state: { labels: ['ada'], spent: '0.01' } })
  await spend('0.2', { apiKeyId: bob.apiKeyId, apiKeyName: 'bob', userId: bob.userId })
  await spend('0.2', { apiKeyId: ada.apiKeyId, apiKeyName: 'ada', userId: ada.userId })
  expect(await watched.next()).toMatchObject({ kind: 'EXHAUSTED', state: { labels: ['ada'], spent: '0.21' } })
}, 30_000)

test('a budget that is not there, or that the caller may not see, is an error', async () => {
  const { apiKeyId } = await api.makeKey('MEMBER', ['INFERENCE'])
  const other = await api.makeKey('MEMBER', ['INFERENCE'])
  const id = await createBudget({ subject: { id: apiKeyId }, amount: '1' })
  for (const [budget, key] of [
    ['bud_00000000000000000000000000', api.adminKey],
    [id, other.key],
  ] as const) {
    await using watched = await watch(budget, key)
    await expect(watched.next()).rejects.toThrow('NOT_FOUND')
  }
})
