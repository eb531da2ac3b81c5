import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRetryBudget, hasRepeat, recordRequest, takeRepeat } from '../../../src/routing/choose/retry-budget.ts'

test('a route without traffic may repeat 3 times in a second, and again in the next', () => {
  const budget = createRetryBudget()
  expect([1, 2, 3, 4].map(() => takeRepeat(budget, 5_000))).toEqual([true, true, true, false])
  expect(hasRepeat(budget, 5_999)).toBe(false)
  expect(hasRepeat(budget, 6_000)).toBe(true)
})

test('100 requests allow 20 repeats more', () => {
  const budget = createRetryBudget()
  for (let i = 0; i < 100; i++) recordRequest(budget, 1_000)
  let taken = 0
  while (takeRepeat(budget, 1_000)) taken++
  expect(taken).toBe(23)
})

test('requests of more than 10 s ago allow nothing', () => {
  const budget = createRetryBudget()
  for (let i = 0; i < 1_000; i++) recordRequest(budget, 1_000)
  let taken = 0
  while (takeRepeat(budget, 11_000)) taken++
  expect(taken).toBe(3)
})

test('a clock that was put back does not stop repeats', () => {
  const budget = createRetryBudget()
  while (takeRepeat(budget, 86_400_000)) continue
  expect(takeRepeat(budget, 1_000)).toBe(true)
})

test.each([1, 3, 9])('a clock that was put back by %i s renews the allowance of the second each time', (seconds) => {
  const budget = createRetryBudget()
  let nowMs = 100_000
  for (let i = 0; i < 5; i++) {
    while (takeRepeat(budget, nowMs)) continue
    nowMs -= seconds * 1_000
    expect(takeRepeat(budget, nowMs)).toBe(true)
  }
  while (takeRepeat(budget, nowMs)) continue
  expect(takeRepeat(budget, nowMs + 1_000)).toBe(true)
})

test('over any traffic, repeats stay within 20 % of the requests plus 3 per second', () => {
  const steps = fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 900 }), isRequest: fc.boolean() }), {
    maxLength: 400,
  })
  fc.assert(
    fc.property(steps, (sequence) => {
      const budget = createRetryBudget()
      let nowMs = 50_000
      let requests = 0
      let repeats = 0
      const seconds = new Set<number>()
      for (const { afterMs, isRequest } of sequence) {
        nowMs += afterMs
        seconds.add(Math.floor(nowMs / 1000))
        const had = hasRepeat(budget, nowMs)
        const took = !isRequest && takeRepeat(budget, nowMs)
        if (isRequest) recordRequest(budget, nowMs)
        requests += Number(isRequest)
        repeats += Number(took)
        expect(took).toBe(!isRequest && had)
        expect(repeats).toBeLessThanOrEqual(requests * 0.2 + seconds.size * 3)
      }
    }),
  )
})
