import { expect, test } from 'vitest'
import { mayConfigureHeader, providerHeaders } from '../../../src/routing/vendors/provider-headers.ts'
import { providerKindFacts, providerKinds } from '../../../src/routing/vendors/provider-kind.ts'

test.each(providerKinds)('of %s it is known where it is, what it wants, and who says so', (kind) => {
  const { defaultBaseUrl, modelList, fixedHeaders, source } = providerKindFacts[kind]
  const isOnTheInternet = kind !== 'OLLAMA'
  const base = defaultBaseUrl ?? 'https://account.example/v1'
  expect(new URL(base).protocol).toBe(isOnTheInternet ? 'https:' : 'http:')
  expect(base).toMatch(/^\w+:\/\/[^/]+\/.*[^/]$/)
  expect(modelList.url).toMatch(/^(\/models|https:\/\/.*[^/])$/)
  for (const page of [source, modelList.source ?? source]) expect(page).toMatch(/^https:\/\//)
  for (const { name } of fixedHeaders) expect(name).toBe(name.toLowerCase())
})

test('a credential goes where its service wants it, and what an operator configures wins over what is fixed', () => {
  const headers = [
    { name: 'Anthropic-Version', value: '2099-01-01' },
    { name: 'X-Team', value: 'blue' },
  ]
  expect([...providerHeaders({ kind: 'ANTHROPIC', headers }, 'sk')]).toEqual([
    ['anthropic-version', '2099-01-01'],
    ['x-team', 'blue'],
    ['x-api-key', 'sk'],
  ])
  expect([...providerHeaders({ kind: 'AZURE_OPENAI', headers: [] }, 'sk')]).toEqual([['api-key', 'sk']])
  expect([...providerHeaders({ kind: 'OPENAI', headers: [] }, 'sk')]).toEqual([['authorization', 'Bearer sk']])
  expect([...providerHeaders({ kind: 'OLLAMA', headers: [] }, null)]).toEqual([])
})

test('headers of the connection and of the credential cannot be configured, another credential header can', () => {
  for (const name of ['host', 'content-length', 'transfer-encoding', 'connection', 'authorization', 'accept-encoding'])
    expect(mayConfigureHeader('OPENAI', name)).toBe(false)
  expect(mayConfigureHeader('OPENAI', 'x-api-key')).toBe(true)
  expect(mayConfigureHeader('ANTHROPIC', 'x-api-key')).toBe(false)
})
