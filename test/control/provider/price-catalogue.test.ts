import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { resolvePricing } from '../../../src/control/backend/pricing.ts'
import { catalogueRelease, findInCatalogue } from '../../../src/control/provider/price-catalogue.ts'
import { type ProviderKind, providerKindFacts, providerKinds } from '../../../src/routing/vendors/provider-kind.ts'

const elsewhere = 'http://127.0.0.1:4010/v1'
const find = (kind: ProviderKind, model: string, baseUrl = providerKindFacts[kind].defaultBaseUrl ?? elsewhere) =>
  findInCatalogue({ kind, baseUrl }, model)

test('the date of the catalogue is that of the release that is installed', () => {
  const path = join(import.meta.dirname, '../../../node_modules/@pydantic/genai-prices/package.json')
  expect((JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version).toBe(catalogueRelease)
})

test('a model that the catalogue knows has prices and a context', async () => {
  expect(await find('OPENAI', 'gpt-5-mini')).toMatchObject({
    pricing: { inputPerMillion: '0.25', cachedInputPerMillion: '0.025', outputPerMillion: '2', tiers: [] },
    contextTokens: 400_000,
  })
})

test('cache writes of both lengths are suggested, and tiers begin with the first token behind the limit', async () => {
  expect(await find('ANTHROPIC', 'claude-sonnet-4-5-20250929')).toMatchObject({
    pricing: {
      inputPerMillion: '3',
      cacheWritePerMillion: '3.75',
      cacheWriteLongPerMillion: '6',
      tiers: [
        {
          fromInputTokens: 200_001,
          inputPerMillion: '6',
          outputPerMillion: '22.5',
          cachedInputPerMillion: '0.6',
          cacheWritePerMillion: '7.5',
          cacheWriteLongPerMillion: '12',
        },
      ],
    },
  })
})

test('who asks is known by its base URL, or else by its kind', async () => {
  expect(await find('OPENAI_COMPATIBLE', 'gpt-5-mini', 'https://api.openai.com/v1')).toMatchObject({
    pricing: { inputPerMillion: '0.25' },
  })
  expect(await find('OPENAI', 'gpt-5-mini', elsewhere)).toMatchObject({ pricing: { inputPerMillion: '0.25' } })
  expect(await find('OPENAI_COMPATIBLE', 'gpt-5-mini', elsewhere)).toBeNull()
  expect(await find('OLLAMA', 'llama3.1', elsewhere)).toBeNull()
})

test('an hour of audio is told by the second, a thousand requests by the request', async () => {
  const none = { inputPerMillion: '0', outputPerMillion: '0' }
  expect(await find('OPENAI', 'whisper-1')).toMatchObject({ pricing: { ...none, perAudioSecond: '0.0001' } })
  expect(await find('OPENAI_COMPATIBLE', 'sonar', 'https://api.perplexity.ai')).toMatchObject({
    pricing: { inputPerMillion: '1', perRequest: '0.012' },
  })
})

test('what a pricing cannot say is not suggested: prices by the time of day, sounds and pictures among the tokens', async () => {
  expect(await find('DEEPSEEK', 'deepseek-reasoner')).toEqual({ pricing: null, contextTokens: 64_000 })
  expect(await find('OPENAI', 'gpt-4o-transcribe')).toMatchObject({ pricing: null })
  expect(await find('OPENAI', 'gpt-image-1')).toMatchObject({ pricing: null })
})

test('names that nobody has are unknown, whatever they are', async () => {
  for (const kind of providerKinds)
    for (const name of ['', 'no such model', '__proto__', 'constructor', '%', 'a'.repeat(256)])
      expect(await find(kind, name)).toBeNull()
})

test('each suggestion can be taken as it is', async () => {
  const models = [
    'gpt-5',
    'gpt-4.1',
    'claude-opus-4-1',
    'gemini-2.5-pro',
    'grok-4',
    'command-r-plus',
    'mistral-small-latest',
  ]
  let suggested = 0
  for (const kind of providerKinds)
    for (const model of models) {
      const pricing = (await find(kind, model))?.pricing
      if (!pricing) continue
      suggested++
      expect(resolvePricing(pricing, ['pricing'])).toEqual(pricing)
    }
  expect(suggested).toBeGreaterThanOrEqual(models.length)
})
