import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Rotation, Rotations, type Weighted } from '../../src/routing/rotation.ts'

const seeds = fc.integer()
const weightLists = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 1_000_000 })),
  { minLength: 1, maxLength: 40 },
)

function itemsOf(weights: readonly number[]): readonly Weighted[] {
  return weights.map((weight, index) => ({ id: `t${index}`, weight }))
}

function turn(rotation: Rotation, items: readonly Weighted[], isOpen: (index: number) => boolean = () => true): number {
  rotation.begin(items)
  for (let i = 0; i < items.length; i++) if (isOpen(i)) rotation.open(i)
  return rotation.next()
}

/** Counts what a fixed set of open members was given, and finds the largest distance to the exact shares. */
class Ledger {
  readonly #weights: readonly number[]
  readonly #total: number
  readonly #counts: number[]
  #requests = 0

  constructor(weights: readonly number[]) {
    this.#weights = weights
    this.#total = weights.reduce((sum, weight) => sum + weight, 0)
    this.#counts = weights.map(() => 0)
  }

  /** The largest distance of any member after this request. */
  add(index: number): number {
    this.#requests++
    this.#counts[index]!++
    return Math.max(
      ...this.#counts.map((count, i) => Math.abs(count - (this.#requests * this.#weights[i]!) / this.#total)),
    )
  }
}

describe('the split', () => {
  test('is within one request of the exact share, for every member and after every request', () => {
    fc.assert(
      fc.property(weightLists, seeds, (weights, seed) => {
        const rotation = new Rotation(seed)
        const items = itemsOf(weights)
        const ledger = new Ledger(weights)
        for (let i = 0; i < 400; i++) expect(ledger.add(turn(rotation, items))).toBeLessThan(1 + 1e-9)
      }),
      { numRuns: 200 },
    )
  })

  test('199:1 gives exactly one in any 200', () => {
    const rotation = new Rotation(7)
    const picks = Array.from({ length: 2_000 }, () => turn(rotation, itemsOf([199, 1])))
    for (let start = 0; start + 200 <= picks.length; start++) {
      expect(picks.slice(start, start + 200).filter((pick) => pick === 1)).toHaveLength(1)
    }
  })

  test('a whole cycle gives each member its weight exactly', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 }), seeds, (weights, seed) => {
        const rotation = new Rotation(seed)
        const counts = weights.map(() => 0)
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        for (let i = 0; i < total; i++) counts[turn(rotation, itemsOf(weights))]!++
        expect(counts).toEqual(weights)
      }),
    )
  })

  test('holds for each set of open members, however they come and go', () => {
    const masks = fc.array(fc.integer({ min: 1, max: 15 }), { minLength: 50, maxLength: 300 })
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 4, maxLength: 4 }),
        masks,
        seeds,
        (weights, sequence, seed) => {
          const rotation = new Rotation(seed)
          const ledgers = new Map<number, Ledger>()
          for (const mask of sequence) {
            const open = weights.map((weight, i) => (mask & (1 << i) ? weight : 0))
            const ledger = ledgers.get(mask) ?? new Ledger(open)
            ledgers.set(mask, ledger)
            const pick = turn(rotation, itemsOf(weights), (i) => (mask & (1 << i)) !== 0)
            expect(open[pick]).toBeGreaterThan(0)
            expect(ledger.add(pick)).toBeLessThan(1 + 1e-9)
          }
        },
      ),
    )
  })

  test('holds from each change of weights and members on: nothing that was owed before comes as a burst', () => {
    const changes = fc.array(
      fc.record({
        weights: fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 8 }),
        requests: fc.integer({ min: 0, max: 60 }),
      }),
      { minLength: 2, maxLength: 8 },
    )
    fc.assert(
      fc.property(changes, seeds, (steps, seed) => {
        const rotation = new Rotation(seed)
        for (const { weights, requests } of steps) {
          const items = itemsOf(weights)
          const ledger = new Ledger(weights)
          for (let i = 0; i < requests; i++) expect(ledger.add(turn(rotation, items))).toBeLessThan(1 + 1e-9)
        }
      }),
    )
  })

  test('of two members is exact across changes of weight as well', () => {
    const changes = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 9 })),
      { maxLength: 60 },
    )
    fc.assert(
      fc.property(changes, seeds, (steps, seed) => {
        const rotation = new Rotation(seed)
        let owed = 0
        let rounding = 0
        for (const [a, b, requests] of steps) {
          // A change rounds the phase by less than one unit of the new weights.
          rounding += 1 / (a + b)
          for (let i = 0; i < requests; i++) {
            owed += a / (a + b) - (turn(rotation, itemsOf([a, b])) === 0 ? 1 : 0)
            expect(Math.abs(owed)).toBeLessThan(1 + rounding)
          }
        }
      }),
    )
  })

  test('goes on where it was when an equal list comes with a new snapshot', () => {
    const rotation = new Rotation(3)
    const counts = [0, 0, 0]
    for (let i = 0; i < 100; i++) counts[turn(rotation, itemsOf([50, 30, 20]))]!++
    expect(counts).toEqual([50, 30, 20])
  })
})

describe('a member', () => {
  test('with weight 0 is never picked', () => {
    const rotation = new Rotation(1)
    for (let i = 0; i < 300; i++) expect(turn(rotation, itemsOf([3, 0, 2]))).not.toBe(1)
  })

  test('is not picked while it is closed, and -1 means that none is open', () => {
    const rotation = new Rotation(1)
    for (let i = 0; i < 50; i++) expect(turn(rotation, itemsOf([3, 1, 2]), (index) => index !== 2)).not.toBe(2)
    expect(turn(rotation, itemsOf([3, 1]), () => false)).toBe(-1)
    expect(turn(rotation, itemsOf([0, 0]))).toBe(-1)
    expect(turn(rotation, [])).toBe(-1)
  })

  test('beyond the 32nd is picked like any other', () => {
    const rotation = new Rotation(5)
    const items = itemsOf(Array.from({ length: 70 }, () => 1))
    const picks = new Set(Array.from({ length: 70 }, () => turn(rotation, items)))
    expect(picks.size).toBe(70)
  })
})

describe('many rotations', () => {
  test.each([[[199, 1]], [[1, 1, 1]], [[6, 3, 1]]])('of %j begin in proportion to the weights', (weights) => {
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const firsts = weights.map(() => 0)
    for (let seed = 0; seed < 20_000; seed++) firsts[turn(new Rotation(seed * 7919), itemsOf(weights))]!++
    weights.forEach((weight, i) => {
      expect(Math.abs(firsts[i]! / 20_000 - weight / total)).toBeLessThan(0.02)
      expect(firsts[i]).toBeGreaterThan(0)
    })
  })

  test('are kept by id until their id is gone', () => {
    const rotations = new Rotations(() => 0.5)
    const kept = rotations.of('kept')
    rotations.of('gone')
    rotations.retain((id) => id === 'kept')
    expect(rotations.size).toBe(1)
    expect(rotations.of('kept')).toBe(kept)
  })
})
