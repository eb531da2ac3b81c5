/** Prices as operators write and read them, and what the catalogue suggests. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { status } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { addDeployment, addProvider } from '../support/objects.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

const tierFields = `inputPerMillion outputPerMillion cachedInputPerMillion cacheWritePerMillion cacheWriteLongPerMillion
  reasoningPerMillion`
const pricingFields = `${tierFields} perRequest perImage perAudioSecond perMillionCharacters
  tiers { fromInputTokens ${tierFields} } serviceTiers { serviceTier factor } source { kind asOf }`
const errors = 'userErrors { code path message }'
const change = <T>(name: string, input: object, fields: string) =>
  api.graphql.change<T>(
    `mutation ($input: ${name[0]!.toUpperCase()}${name.slice(1)}Input!) { ${name}(input: $input) { ${errors} ${fields} } }`,
    { input },
  )

const noPrices = {
  cachedInputPerMillion: null,
  cacheWritePerMillion: null,
  cacheWriteLongPerMillion: null,
  reasoningPerMillion: null,
}
const noUnits = { perRequest: null, perImage: null, perAudioSecond: null, perMillionCharacters: null }
const byOperator = { source: { kind: 'OPERATOR', asOf: null } }
const whole = {
  inputPerMillion: '3',
  outputPerMillion: '15',
  cachedInputPerMillion: '0.3',
  cacheWritePerMillion: '3.75',
  cacheWriteLongPerMillion: '6',
  reasoningPerMillion: '15.000000000001',
  perRequest: '0.002',
  perImage: '0.04',
  perAudioSecond: '0.0001',
  perMillionCharacters: '15',
  tiers: [
    {
      fromInputTokens: 200_001,
      inputPerMillion: '6',
      outputPerMillion: '22.5',
      ...noPrices,
      cacheWritePerMillion: '7.5',
    },
    { fromInputTokens: 500_001, inputPerMillion: '9', outputPerMillion: '30', ...noPrices, reasoningPerMillion: '31' },
  ],
  serviceTiers: [
    { serviceTier: 'flex', factor: '0.5' },
    { serviceTier: 'priority', factor: '1.75' },
  ],
}

interface Shown {
  readonly provider: { readonly models: readonly { readonly pricing: object | null }[] }
}

test('every price of a model is kept as it was written, and a change of it replaces all of it', async () => {
  await addProvider(api.graphql, { name: 'paid', models: [] })
  await change('providerModelAdd', { provider: { name: 'paid' }, model: { upstreamModel: 'm', pricing: whole } }, '')
  const fields = `provider { models { pricing { ${pricingFields} } } }`
  const same = await change<Shown>('providerUpdate', { provider: { name: 'paid' }, description: 'same' }, fields)
  expect(same.provider.models).toEqual([{ pricing: { ...whole, ...byOperator } }])
  const model = { provider: 'paid', model: 'm' }
  const pricing = { inputPerMillion: '1.50', outputPerMillion: '02' }
  const plain = await change<Shown>('providerModelUpdate', { model, pricing }, fields)
  const shown = { inputPerMillion: '1.5', outputPerMillion: '2', ...noPrices, ...noUnits, tiers: [], serviceTiers: [] }
  expect(plain.provider.models).toEqual([{ pricing: { ...shown, ...byOperator } }])
  const kept = await change<Shown>('providerModelUpdate', { model, categories: ['LLM'] }, fields)
  expect(kept.provider.models).toEqual(plain.provider.models)
  const none = await change<Shown>('providerModelUpdate', { model, pricing: null }, fields)
  expect(none.provider.models).toEqual([{ pricing: null }])
})

test('a deployment has the same prices', async () => {
  await addDeployment(api.graphql, { name: 'own', pricing: whole })
  const { deployment } = await api.graphql.request<{ deployment: object }>(
    `{ deployment(by: { name: "own" }) { pricing { ${pricingFields} } } }`,
  )
  expect(deployment).toEqual({ pricing: { ...whole, ...byOperator } })
})

test('the history says what changed of a price', async () => {
  await addProvider(api.graphql, { name: 'audited', models: ['m'] })
  await change('providerModelUpdate', { model: { provider: 'audited', model: 'm' }, pricing: whole }, '')
  const { auditLog } = await api.graphql.request<{ auditLog: { edges: { node: { changes: object[] } }[] } }>(
    '{ auditLog(first: 1) { edges { node { changes { field after } } } } }',
  )
  expect(JSON.stringify(auditLog.edges[0]!.node.changes)).toContain('cacheWriteLongPerMillion')
})

test('all faults of a price are told at once, each at its place', async () => {
  const tier = (fromInputTokens: number, inputPerMillion = '1') => ({
    fromInputTokens,
    inputPerMillion,
    outputPerMillion: '1',
  })
  const faultsOf = async (pricing: object) => {
    const { body } = await api.graphql.post({
      query: `mutation ($pricing: ModelPricingInput!) {
        providerCreate(input: { name: "bad", kind: OPENAI, secrets: ["sk-12345678"], models: [{ upstreamModel: "m", pricing: $pricing }] }) { ${errors} }
      }`,
      variables: { pricing: { inputPerMillion: '1', outputPerMillion: '1', ...pricing } },
    })
    const { providerCreate } = body.data as { providerCreate: { userErrors: { code: string; path: string[] }[] } }
    return providerCreate.userErrors
      .map(({ code, path }) => `${code} ${path.join('.').replace('input.models.0.pricing.', '')}`)
      .toSorted()
  }
  const bad = {
    inputPerMillion: '-1',
    cacheWritePerMillion: '0.0000000000001',
    cacheWriteLongPerMillion: '1000000000',
    reasoningPerMillion: '-0.1',
    perRequest: '-1',
    perImage: '-1',
    perAudioSecond: '-1',
    perMillionCharacters: '-1',
    tiers: [tier(0), tier(5), tier(5, '-1'), tier(4)],
    serviceTiers: [
      { serviceTier: 'flex', factor: '0' },
      { serviceTier: 'flex', factor: '1' },
      { serviceTier: '', factor: '100.000001' },
      { serviceTier: 'two words', factor: '-1' },
      { serviceTier: 'fine', factor: '0.0000001' },
    ],
  }
  const places = [
    'inputPerMillion',
    'cacheWritePerMillion',
    'cacheWriteLongPerMillion',
    'reasoningPerMillion',
    'perRequest',
    'perImage',
    'perAudioSecond',
    'perMillionCharacters',
    'tiers.0.fromInputTokens',
    'tiers.2.fromInputTokens',
    'tiers.2.inputPerMillion',
    'tiers.3.fromInputTokens',
    'serviceTiers.0.factor',
    'serviceTiers.1.serviceTier',
    'serviceTiers.2.factor',
    'serviceTiers.2.serviceTier',
    'serviceTiers.3.factor',
    'serviceTiers.3.serviceTier',
    'serviceTiers.4.factor',
  ]
  expect(await faultsOf(bad)).toEqual(places.map((place) => `INVALID ${place}`).toSorted())
  const nine = Array.from({ length: 9 }, (_, n) => n + 1)
  expect(
    await faultsOf({
      tiers: nine.map((from) => tier(from)),
      serviceTiers: nine.map((n) => ({ serviceTier: `tier-${n}`, factor: '1' })),
    }),
  ).toEqual(['LIMIT_EXCEEDED serviceTiers', 'LIMIT_EXCEEDED tiers'])
})

test('a probe and a new model come with what the catalogue suggests, and nothing is billed by it', async () => {
  await using upstream = await openUpstream({
    script: () => status(200, { object: 'list', data: [{ id: 'gpt-5-mini' }, { id: 'nobody-knows-it' }] }),
  })
  await addProvider(api.graphql, { name: 'suggested', kind: 'OPENAI', baseUrl: upstream.baseUrl, models: [] })
  const suggestion = `upstreamModel suggestedPricing { ${pricingFields} } suggestedContextTokens`
  const { models } = await change<{ models: object[] }>(
    'providerProbe',
    { stored: { name: 'suggested' } },
    `models { ${suggestion} }`,
  )
  const known = {
    upstreamModel: 'gpt-5-mini',
    suggestedPricing: {
      inputPerMillion: '0.25',
      outputPerMillion: '2',
      cachedInputPerMillion: '0.025',
      source: { kind: 'CATALOGUE', asOf: expect.stringMatching(/^20\d\d-\d\d-\d\dT00:00:00\.000Z$/) as string },
    },
    suggestedContextTokens: 400_000,
  }
  expect(models).toMatchObject([
    known,
    { upstreamModel: 'nobody-knows-it', suggestedPricing: null, suggestedContextTokens: null },
  ])
  const added = await change<{ provider: { models: object[] } }>(
    'providerModelAdd',
    { provider: { name: 'suggested' }, model: { upstreamModel: 'gpt-5-mini' } },
    `provider { models { pricing { inputPerMillion } contextTokens ${suggestion} } }`,
  )
  expect(added.provider.models).toMatchObject([{ pricing: null, contextTokens: null, ...known }])
})
