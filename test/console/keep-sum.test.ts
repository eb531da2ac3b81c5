import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { moveWeight, sumOf, withSteps } from '../../console/src/route/keep-sum.ts'

const weights = fc.array(fc.nat({ max: 1_000_000 }), { minLength: 2, maxLength: 8 }).filter((list) => sumOf(list) > 0)

test('whatever slider is moved, the sum of the weights stays, and all are whole and not negative', () => {
  fc.assert(
    fc.property(weights, fc.nat(), fc.double({ min: -10, max: 2_000_000, noNaN: true }), (list, which, value) => {
      const index = which % list.length
      const moved = moveWeight(list, index, value)
      expect(sumOf(moved)).toBe(sumOf(list))
      expect(moved.every((weight) => Number.isInteger(weight) && weight >= 0)).toBe(true)
      expect(moved[index]).toBe(Math.min(Math.max(Math.round(value), 0), sumOf(list)))
    }),
  )
})

test('the others keep their proportions, to the rounding', () => {
  expect(moveWeight([100, 300, 100], 0, 200)).toEqual([200, 225, 75])
  expect(moveWeight([100, 0, 300], 0, 50)).toEqual([50, 0, 350])
})

test('from all or nothing the others share equally', () => {
  expect(moveWeight([100, 0, 0], 0, 40)).toEqual([40, 30, 30])
})

test('a slider has at least a hundred steps, in the same proportions', () => {
  expect(withSteps([1, 1])).toEqual([50, 50])
  expect(withSteps([1, 2])).toEqual([34, 68])
  expect(withSteps([100, 200])).toEqual([100, 200])
  expect(withSteps([0, 0])).toEqual([100, 0])
})
