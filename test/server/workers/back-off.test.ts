import { expect, test } from 'vitest'
import { BackOff } from '../../../src/server/workers/back-off.ts'

test('who does not last waits longer each time, 10 s at the most; who has lasted a minute comes back at once', () => {
  const backOff = new BackOff()
  const delays = Array.from({ length: 8 }, () => backOff.delayMs(100))
  expect(delays).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000])
  expect(backOff.delayMs(61_000)).toBe(0)
  expect(backOff.delayMs(100)).toBe(200)
})
