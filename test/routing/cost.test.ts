import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { costOf } from '../../src/routing/cost.ts'

const tokens = { inputTokens: 1000, cachedInputTokens: 400, outputTokens: 50, reasoningTokens: 20 }

test('cached input has its own price, reasoning is part of output', () => {
  const pricing = { inputPerMillion: '2.50', outputPerMillion: '10', cachedInputPerMillion: '1.25' }
  expect(costOf(tokens, pricing)).toBe('0.0025')
  expect(costOf(tokens, { ...pricing, cachedInputPerMillion: null })).toBe('0.003')
})

test('without a price there is no cost, and a price of nothing is 0', () => {
  expect(costOf(tokens, null)).toBeNull()
  expect(costOf(tokens, { inputPerMillion: '0', outputPerMillion: '0.00', cachedInputPerMillion: null })).toBe('0')
})

test('what floating point cannot add is exact', () => {
  const pricing = { inputPerMillion: '0.1', outputPerMillion: '0.2', cachedInputPerMillion: '0.000001' }
  const many = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1, reasoningTokens: 0 }
  expect(costOf(many, pricing)).toBe('0.0000003')
  expect(costOf({ ...many, inputTokens: Number.MAX_SAFE_INTEGER, outputTokens: 0 }, pricing)).toBe('900719925.4740991')
})

test('costs of any prices and counts add up to the last digit', () => {
  const price = fc.tuple(fc.nat(1_000_000), fc.nat(999_999)).map(([a, b]) => `${a}.${String(b).padStart(6, '0')}`)
  const count = fc.nat(2 ** 40)
  fc.assert(
    fc.property(price, price, count, count, (input, output, inputTokens, outputTokens) => {
      const pricing = { inputPerMillion: input, outputPerMillion: output, cachedInputPerMillion: null }
      const cost = costOf({ inputTokens, cachedInputTokens: 0, outputTokens, reasoningTokens: 0 }, pricing)!
      const expected =
        BigInt(input.replace('.', '')) * BigInt(inputTokens) + BigInt(output.replace('.', '')) * BigInt(outputTokens)
      const [whole = '', fraction = ''] = cost.split('.')
      expect(BigInt(whole + fraction.padEnd(12, '0'))).toBe(expected)
      expect(cost).not.toMatch(/\.\d*0$|^0\d|\.$/)
    }),
  )
})
