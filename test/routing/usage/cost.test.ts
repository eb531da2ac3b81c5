import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { noFurtherPrices, type Pricing, type PricingTier } from '../../../src/routing/config/configuration.ts'
import { type BilledUsage, costOf } from '../../../src/routing/usage/cost.ts'
import type { TokenUsage } from '../../../src/routing/usage/record.ts'
import { mostCostNanos } from '../../../src/routing/usage/most-cost.ts'

const noTokens = { inputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 0, reasoningTokens: 0 }
const nothing: BilledUsage = {
  tokens: null,
  cacheWriteLongTokens: 0,
  images: null,
  audioSeconds: null,
  characters: null,
  searchUnits: null,
  serviceTier: null,
}

type Counts = Partial<TokenUsage> & Partial<Omit<BilledUsage, 'tokens'>>

/** Counts of tokens that are not given are 0, all else is not reported. */
function billed({
  images,
  audioSeconds,
  characters,
  searchUnits,
  serviceTier,
  cacheWriteLongTokens,
  ...tokens
}: Counts) {
  const rest = { images, audioSeconds, characters, searchUnits, serviceTier, cacheWriteLongTokens }
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  const hasTokens = Object.keys(tokens).length > 0
  return { ...nothing, ...given, tokens: hasTokens ? { ...noTokens, ...tokens } : null } as BilledUsage
}

function priced(inputPerMillion: string, outputPerMillion: string, rest: Partial<Pricing> = {}): Pricing {
  return { inputPerMillion, outputPerMillion, cachedInputPerMillion: null, ...noFurtherPrices, ...rest }
}

function tier(fromInputTokens: number, input: string, output: string, rest: Partial<PricingTier> = {}): PricingTier {
  const { cacheWritePerMillion, cacheWriteLongPerMillion, reasoningPerMillion } = noFurtherPrices
  const further = { cacheWritePerMillion, cacheWriteLongPerMillion, reasoningPerMillion }
  return {
    fromInputTokens,
    inputPerMillion: input,
    outputPerMillion: output,
    cachedInputPerMillion: null,
    ...further,
    ...rest,
  }
}

const openai = priced('2.5', '10', { cachedInputPerMillion: '1.25' })
const openaiTiers = {
  ...openai,
  serviceTiers: [
    { serviceTier: 'flex', factor: '0.5' },
    { serviceTier: 'priority', factor: '1.75' },
    { serviceTier: 'default', factor: '1' },
  ],
}
const sonnet = priced('3', '15', {
  cachedInputPerMillion: '0.3',
  cacheWritePerMillion: '3.75',
  cacheWriteLongPerMillion: '6',
  tiers: [
    tier(200_001, '6', '22.5', {
      cachedInputPerMillion: '0.6',
      cacheWritePerMillion: '7.5',
      cacheWriteLongPerMillion: '12',
    }),
  ],
  serviceTiers: [{ serviceTier: 'batch', factor: '0.5' }],
})
const gemini = priced('1.25', '10', {
  cachedInputPerMillion: '0.31',
  tiers: [tier(200_001, '2.5', '15', { cachedInputPerMillion: '0.625' }), tier(1_000_001, '5', '30')],
})
const reasoner = priced('1', '2', { reasoningPerMillion: '8', tiers: [tier(100, '2', '4')] })
const images = priced('0', '0', { perImage: '0.04' })
const gptImage = priced('5', '40', { perImage: '0' })
const whisper = priced('0', '0', { perAudioSecond: '0.0001' })
const speech = priced('0', '0', { perMillionCharacters: '15' })
const rerank = priced('0', '0', { perRequest: '0.002' })

/** By hand: each amount was worked out from the vendor's price list with pencil and paper. */
const exact: readonly (readonly [what: string, pricing: Pricing | null, usage: Counts, cost: string | null])[] = [
  // Chat completions and responses.
  ['input and output', openai, { inputTokens: 1000, outputTokens: 500 }, '0.0075'],
  ['one token of each', openai, { inputTokens: 1, outputTokens: 1 }, '0.0000125'],
  ['nothing at all', openai, { inputTokens: 0 }, '0'],
  ['cached is cheaper', openai, { inputTokens: 1000, cachedInputTokens: 400, outputTokens: 50 }, '0.0025'],
  ['all is cached', openai, { inputTokens: 1024, cachedInputTokens: 1024 }, '0.00128'],
  ['cached without its price', priced('2.5', '10'), { inputTokens: 1000, cachedInputTokens: 400 }, '0.0025'],
  ['reasoning is output', openai, { inputTokens: 10, outputTokens: 100, reasoningTokens: 80 }, '0.001025'],
  ['a million of each', openai, { inputTokens: 1_000_000, outputTokens: 1_000_000 }, '12.5'],
  ['a cache write without its price', openai, { inputTokens: 1000, cacheWriteTokens: 300 }, '0.0025'],
  ['flex is half', openaiTiers, { inputTokens: 1000, outputTokens: 500, serviceTier: 'flex' }, '0.00375'],
  ['priority', openaiTiers, { inputTokens: 1000, outputTokens: 500, serviceTier: 'priority' }, '0.013125'],
  ['default', openaiTiers, { inputTokens: 1000, outputTokens: 500, serviceTier: 'default' }, '0.0075'],
  ['a tier that is not listed', openaiTiers, { inputTokens: 1000, outputTokens: 500, serviceTier: 'scale' }, '0.0075'],
  ['no tier was told', openaiTiers, { inputTokens: 1000, outputTokens: 500 }, '0.0075'],
  ['another case is another tier', openaiTiers, { inputTokens: 1000, serviceTier: 'Flex' }, '0.0025'],
  // Messages.
  ['plain message', sonnet, { inputTokens: 1000, outputTokens: 1000 }, '0.018'],
  ['read from the cache', sonnet, { inputTokens: 10_000, cachedInputTokens: 9000, outputTokens: 100 }, '0.0072'],
  ['written for 5 minutes', sonnet, { inputTokens: 2000, cacheWriteTokens: 1000 }, '0.00675'],
  ['written for an hour', sonnet, { inputTokens: 2000, cacheWriteTokens: 1000, cacheWriteLongTokens: 1000 }, '0.009'],
  ['written for both', sonnet, { inputTokens: 2000, cacheWriteTokens: 1000, cacheWriteLongTokens: 400 }, '0.00765'],
  [
    'read and written',
    sonnet,
    { inputTokens: 3000, cachedInputTokens: 1000, cacheWriteTokens: 1000, outputTokens: 10 },
    '0.0072',
  ],
  ['just below the tier', sonnet, { inputTokens: 200_000, outputTokens: 1000 }, '0.615'],
  ['the whole request is in the tier', sonnet, { inputTokens: 200_001, outputTokens: 1000 }, '1.222506'],
  ['cached tokens reach the tier', sonnet, { inputTokens: 200_001, cachedInputTokens: 200_000 }, '0.120006'],
  ['written tokens reach the tier', sonnet, { inputTokens: 200_001, cacheWriteTokens: 200_000 }, '1.500006'],
  [
    "an hour at the tier's price",
    sonnet,
    { inputTokens: 200_001, cacheWriteTokens: 200_000, cacheWriteLongTokens: 200_000 },
    '2.400006',
  ],
  ['half in a batch', sonnet, { inputTokens: 1000, outputTokens: 1000, serviceTier: 'batch' }, '0.009'],
  [
    'an hour without its price',
    { ...sonnet, cacheWriteLongPerMillion: null },
    { inputTokens: 1000, cacheWriteTokens: 1000, cacheWriteLongTokens: 1000 },
    '0.00375',
  ],
  [
    'an hour without any price of writing',
    priced('3', '15'),
    { inputTokens: 1000, cacheWriteTokens: 1000, cacheWriteLongTokens: 1000 },
    '0.003',
  ],
  // Tiers.
  ['below the first tier', gemini, { inputTokens: 200_000, outputTokens: 100 }, '0.251'],
  ['first tier', gemini, { inputTokens: 200_001, outputTokens: 100 }, '0.5015025'],
  ['first tier, cached', gemini, { inputTokens: 400_000, cachedInputTokens: 200_000 }, '0.625'],
  ['last tier', gemini, { inputTokens: 1_000_001, outputTokens: 10 }, '5.000305'],
  ["last tier, cached at that tier's input", gemini, { inputTokens: 1_000_001, cachedInputTokens: 1 }, '5.000005'],
  // Reasoning.
  ['reasoning with its price', reasoner, { inputTokens: 10, outputTokens: 100, reasoningTokens: 90 }, '0.00075'],
  [
    'it holds in tiers that have none',
    reasoner,
    { inputTokens: 100, outputTokens: 10, reasoningTokens: 10 },
    '0.00028',
  ],
  // Images.
  ['two images', images, { images: 2 }, '0.08'],
  ['no image', images, { images: 0 }, '0'],
  ['nobody says how many', images, {}, null],
  ['images by tokens', gptImage, { inputTokens: 50, outputTokens: 4160, images: 1 }, '0.16665'],
  [
    'images by tokens and each',
    { ...gptImage, perImage: '0.01' },
    { inputTokens: 50, outputTokens: 4160, images: 2 },
    '0.18665',
  ],
  ['images without a price', openai, { images: 2 }, null],
  // Audio.
  ['nine seconds', whisper, { audioSeconds: 9 }, '0.0009'],
  ['parts of a second', whisper, { audioSeconds: 8.47 }, '0.000847'],
  ['millionths of a second', whisper, { audioSeconds: 0.000001 }, '0.0000000001'],
  ['a transcript by tokens', priced('2.5', '10'), { inputTokens: 14, outputTokens: 45 }, '0.000485'],
  ['an hour of audio', whisper, { audioSeconds: 3600 }, '0.36'],
  // Speech.
  ['a sentence', speech, { characters: 40 }, '0.0006'],
  ['a million characters', speech, { characters: 1_000_000 }, '15'],
  // Per request.
  ['a request', rerank, {}, '0.002'],
  ['three search units', rerank, { searchUnits: 3 }, '0.006'],
  ['no search unit', rerank, { searchUnits: 0 }, '0'],
  ['a request and its tokens', { ...openai, perRequest: '0.01' }, { inputTokens: 1000, outputTokens: 500 }, '0.0175'],
  [
    'the factor is for all of it',
    { ...openaiTiers, perRequest: '0.01' },
    { inputTokens: 1000, serviceTier: 'flex' },
    '0.00625',
  ],
  // Without a price.
  ['no price', null, { inputTokens: 1000 }, null],
  ['no price, an image', null, { images: 1 }, null],
  ['a price of nothing', priced('0', '0.00'), { inputTokens: 1000, outputTokens: 3 }, '0'],
  ['nothing is known', openai, {}, null],
  // What floating point cannot do.
  ['small and smaller', priced('0.1', '0.2'), { inputTokens: 1, outputTokens: 1 }, '0.0000003'],
  ['large', priced('0.1', '0.2'), { inputTokens: Number.MAX_SAFE_INTEGER }, '900719925.4740991'],
  [
    'twelve places',
    priced('0.000000000001', '999999999'),
    { inputTokens: 1, outputTokens: 1 },
    '999.999999000000000001',
  ],
]

describe('costs by hand:', () => {
  test.each(exact)('%s', (_what, pricing, usage, cost) => expect(costOf(billed(usage), pricing)).toBe(cost))
})

const decimal = (most: number, places: number) =>
  fc
    .tuple(fc.nat(most), fc.stringMatching(new RegExp(`^\\d{0,${places}}$`)))
    .map(([whole, fraction]) => (fraction === '' ? `${whole}` : `${whole}.${fraction}`))
const price = decimal(200, 12)
const maybePrice = fc.option(price)
const tokenPricing = {
  inputPerMillion: price,
  outputPerMillion: price,
  cachedInputPerMillion: maybePrice,
  cacheWritePerMillion: maybePrice,
  cacheWriteLongPerMillion: maybePrice,
  reasoningPerMillion: maybePrice,
}
const boundaries = fc
  .uniqueArray(fc.integer({ min: 1, max: 3000 }), { maxLength: 8 })
  .map((from) => from.toSorted((a, b) => a - b))
const somePricing: fc.Arbitrary<Pricing> = boundaries.chain((from) =>
  fc.record({
    ...tokenPricing,
    perRequest: maybePrice,
    perImage: maybePrice,
    perAudioSecond: maybePrice,
    perMillionCharacters: maybePrice,
    tiers: fc.tuple(
      ...from.map((fromInputTokens) => fc.record({ fromInputTokens: fc.constant(fromInputTokens), ...tokenPricing })),
    ),
    serviceTiers: fc.uniqueArray(
      fc.record({ serviceTier: fc.constantFrom('flex', 'priority', 'batch'), factor: decimal(3, 6) }),
      { selector: ({ serviceTier }) => serviceTier },
    ),
  }),
)
const someTokens: fc.Arbitrary<TokenUsage & { long: number }> = fc
  .tuple(fc.nat(4000), fc.nat(2000), fc.nat(2000), fc.nat(2000), fc.nat(5000), fc.nat(5000))
  .map(([plain, cached, short, long, written, reasoning]) => ({
    inputTokens: plain + cached + short + long,
    cachedInputTokens: cached,
    cacheWriteTokens: short + long,
    long,
    outputTokens: written + reasoning,
    reasoningTokens: reasoning,
  }))
const someUsage: fc.Arbitrary<BilledUsage> = fc
  .record({
    tokens: fc.option(someTokens),
    images: fc.option(fc.nat(10)),
    audioSeconds: fc.option(fc.nat(100_000_000).map((micros) => micros / 1_000_000)),
    characters: fc.option(fc.nat(4096)),
    searchUnits: fc.option(fc.nat(3)),
    serviceTier: fc.option(fc.constantFrom('flex', 'priority', 'batch', 'default')),
  })
  .map(({ tokens, ...rest }) => {
    if (tokens === null) return { ...rest, tokens, cacheWriteLongTokens: 0 }
    const { long, ...counts } = tokens
    return { ...rest, tokens: counts, cacheWriteLongTokens: long }
  })

/** A decimal in units of 10^-12. */
function fixed(text: string): bigint {
  const [whole = '', fraction = ''] = text.split('.')
  return BigInt(whole + fraction.padEnd(12, '0'))
}

/** USD in units of 10^-30: the price list read aloud, one line after the other. */
function referenceCost({ tokens, cacheWriteLongTokens, ...usage }: BilledUsage, pricing: Pricing): bigint | null {
  const perToken = 10n ** 6n
  const perUnit = 10n ** 12n
  let known = false
  let sum = 0n
  if (tokens !== null) {
    known = true
    const reached = pricing.tiers.filter(({ fromInputTokens }) => fromInputTokens <= tokens.inputTokens)
    const prices = reached.length === 0 ? pricing : reached[reached.length - 1]!
    const short = prices.cacheWritePerMillion ?? prices.inputPerMillion
    const long = prices.cacheWriteLongPerMillion ?? pricing.cacheWriteLongPerMillion ?? short
    const reasoning = prices.reasoningPerMillion ?? pricing.reasoningPerMillion ?? prices.outputPerMillion
    const lines: [number, string][] = [
      [tokens.inputTokens - tokens.cachedInputTokens - tokens.cacheWriteTokens, prices.inputPerMillion],
      [tokens.cachedInputTokens, prices.cachedInputPerMillion ?? prices.inputPerMillion],
      [tokens.cacheWriteTokens - cacheWriteLongTokens, short],
      [cacheWriteLongTokens, long],
      [tokens.outputTokens - tokens.reasoningTokens, prices.outputPerMillion],
      [tokens.reasoningTokens, reasoning],
    ]
    for (const [count, each] of lines) sum += BigInt(count) * fixed(each) * perToken
  }
  const units: [number | null, string | null, bigint][] = [
    [usage.searchUnits ?? 1, pricing.perRequest, perUnit],
    [usage.images, pricing.perImage, perUnit],
    [usage.audioSeconds === null ? null : Math.round(usage.audioSeconds * 1e6), pricing.perAudioSecond, perToken],
    [usage.characters, pricing.perMillionCharacters, perToken],
  ]
  for (const [count, each, scale] of units) {
    if (count === null || each === null) continue
    known = true
    sum += BigInt(count) * fixed(each) * scale
  }
  const factor = pricing.serviceTiers.find(({ serviceTier }) => serviceTier === usage.serviceTier)?.factor ?? '1'
  // 10^-24 by 10^-12 by 10^6 more.
  return known ? (sum * fixed(factor)) / 10n ** 6n : null
}

function toReference(cost: string): bigint {
  const [whole = '', fraction = ''] = cost.split('.')
  expect(fraction.length).toBeLessThanOrEqual(30)
  return BigInt(whole + fraction.padEnd(30, '0'))
}

test('10,000 priced requests cost what the price list says, to the last digit', () => {
  fc.assert(
    fc.property(someUsage, somePricing, (usage, pricing) => {
      const cost = costOf(usage, pricing)
      const expected = referenceCost(usage, pricing)
      expect(cost === null ? null : toReference(cost)).toBe(expected)
      expect(cost ?? '').not.toMatch(/\.\d*0$|^0\d|\.$/)
    }),
    { numRuns: 10_000 },
  )
})

test('no request that stays within its bounds costs more than the most that was said', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(someUsage, somePricing, share, share, (usage, pricing, moreInput, moreOutput) => {
      const most = {
        inputTokens: (usage.tokens?.inputTokens ?? 0) + Math.floor(moreInput * 2000),
        outputTokens: (usage.tokens?.outputTokens ?? 0) + Math.floor(moreOutput * 100),
        images: usage.images ?? 0,
        audioSeconds: usage.audioSeconds ?? 0,
        characters: usage.characters ?? 0,
      }
      // A ranking may be billed as several: of one, it is no more.
      const cost = referenceCost({ ...usage, searchUnits: Math.min(1, usage.searchUnits ?? 1) }, pricing) ?? 0n
      expect(BigInt(mostCostNanos(pricing, most)) * 10n ** 21n).toBeGreaterThanOrEqual(cost)
    }),
    { numRuns: 3_000 },
  )
})

test('the most that a request can cost is exact, and what does not end at a billionth is rounded up', () => {
  const most = { inputTokens: 300_000, outputTokens: 1000 }
  expect(mostCostNanos(openai, most)).toBe(760_000_000)
  expect(mostCostNanos(sonnet, most)).toBe(3_622_500_000)
  expect(mostCostNanos(openaiTiers, most)).toBe(1_330_000_000)
  // The tier below has the higher price, and holds for up to 99 tokens.
  const cheaper = priced('10', '1', { tiers: [tier(100, '1', '1')] })
  expect(mostCostNanos(cheaper, { inputTokens: 200, outputTokens: 0 })).toBe(990_000)
  expect(mostCostNanos(reasoner, { inputTokens: 0, outputTokens: 10 })).toBe(80_000)
  expect(mostCostNanos(priced('0.0001', '0'), { inputTokens: 1, outputTokens: 0 })).toBe(1)
  expect(mostCostNanos({ ...rerank, perImage: '0.04' }, { inputTokens: 0, outputTokens: 0, images: 2 })).toBe(
    82_000_000,
  )
  expect(mostCostNanos(whisper, { inputTokens: 0, outputTokens: 0, audioSeconds: 8.4700001 })).toBe(847_001)
  expect(mostCostNanos(speech, { inputTokens: 0, outputTokens: 0, characters: 40 })).toBe(600_000)
  const absurd = priced('999999999', '0')
  expect(mostCostNanos(absurd, { inputTokens: 1_000_000_000, outputTokens: 0 })).toBe(Number.MAX_SAFE_INTEGER)
})
