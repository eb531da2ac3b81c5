import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Rotation, Rotations, type WeightedMember } from '../../../src/routing/choose/rotation.ts'

const seeds = fc.integer()
const weightLists = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 1_000_000 })),
  { minLength: 1, maxLength: 40 },
)

function itemsOf(weights: readonly number[]): readonly WeightedMember[] {
  return weights.map((weight, index) => ({ id: `t${index}`, weight }))
}

function turn(
  rotation: Rotation,
  items: readonly WeightedMember[],
  isOpen: (index: number) => boolean = () => true,
): number {
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

/** Counts by id, across changes of the items, what each member is behind the sum of its exact shares since it came. */
class Account {
  readonly #behind = new Map<string, number>()

  /** The largest distance of any member after this request. */
  add(items: readonly WeightedMember[], chosen: number): number {
    const total = items.reduce((sum, { weight }) => sum + weight, 0)
    const distances = items.map(({ id, weight }, index) => {
      const behind = (this.#behind.get(id) ?? 0) + weight / total - (index === chosen ? 1 : 0)
      this.#behind.set(id, behind)
      return Math.abs(behind)
    })
    return Math.max(...distances)
  }
}

/** The largest distance of any member while `lists` take turns, `requests` at a time. */
function worstOfTurns(rotation: Rotation, lists: readonly (readonly WeightedMember[])[], requests: number): number {
  const account = new Account()
  let worst = 0
  for (let i = 0; i < 400; i++) {
    const items = lists[Math.floor(i / requests) % lists.length]!
    worst = Math.max(worst, account.add(items, turn(rotation, items)))
  }
  return worst
}

interface Change {
  readonly kind: 'weight' | 'idle' | 'come' | 'go'
  readonly place: number
  readonly weight: number
}

/** `items` after one change; of those with weight there are always 2 to 6. */
function changed(
  items: readonly WeightedMember[],
  { kind, place, weight }: Change,
  id: string,
): readonly WeightedMember[] {
  const active = items.filter((item) => item.weight > 0)
  const one = active[place % active.length]!
  switch (kind) {
    case 'weight':
      return items.map((item) => (item === one ? { ...item, weight } : item))
    case 'idle':
      return active.length < items.length ? active : items.toSpliced(place % items.length, 0, { id, weight: 0 })
    case 'come':
      return active.length < 6 ? items.toSpliced(place % items.length, 0, { id, weight }) : items
    case 'go':
      return active.length > 2 ? items.filter((item) => item !== one) : items
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

  test('holds for any set of open members that stays, from the first request on', () => {
    fc.assert(
      fc.property(weightLists, fc.array(fc.boolean(), { minLength: 40 }), seeds, (weights, bits, seed) => {
        const open = weights.map((weight, i) => (bits[i] ? weight : 0))
        if (open.every((weight) => weight === 0)) return
        const rotation = new Rotation(seed)
        const ledger = new Ledger(open)
        for (let i = 0; i < 300; i++)
          expect(ledger.add(turn(rotation, itemsOf(weights), (index) => bits[index]!))).toBeLessThan(1 + 1e-9)
      }),
    )
  })

  test('holds, as a difference of two accounts, from each change of weights and members on: nothing comes as a burst', () => {
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
          for (let i = 0; i < requests; i++) expect(ledger.add(turn(rotation, items))).toBeLessThan(2.2)
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

describe('across changes of the items, the split', () => {
  const manySeeds = Array.from({ length: 50 }, (_, seed) => seed * 7919)

  test('is exact while a member with weight 0 comes and goes', () => {
    for (const seed of manySeeds) {
      const rotation = new Rotation(seed)
      const counts = [0, 0, 0]
      for (let i = 0; i < 80; i++) counts[turn(rotation, itemsOf(i % 4 < 2 ? [9, 1] : [9, 1, 0]))]!++
      expect(counts).toEqual([72, 8, 0])
    }
  })

  test('stays within one request while a weight wavers', () => {
    const lists = [itemsOf([100, 100, 49]), itemsOf([100, 100, 50])]
    for (const seed of manySeeds) expect(worstOfTurns(new Rotation(seed), lists, 2)).toBeLessThan(0.81)
  })

  test('stays within one request while requests of an older and of a newer snapshot alternate', () => {
    const lists = [itemsOf([1, 1, 1]), itemsOf([1, 99, 100])]
    for (const seed of manySeeds) expect(worstOfTurns(new Rotation(seed), lists, 1)).toBeLessThan(0.83)
  })

  test('of two members does not round: 1:1 and 1:2 in turn give 5 of 12', () => {
    const lists = [itemsOf([1, 1]), itemsOf([1, 2])]
    for (const seed of manySeeds) expect(worstOfTurns(new Rotation(seed), lists, 1)).toBeLessThan(1)
  })

  test('has no favourite when two snapshots that alternate share only one member', () => {
    const older = ['a', 'b', 'c'].map((id) => ({ id, weight: 1 }))
    const newer = ['a', 'd', 'e'].map((id) => ({ id, weight: 1 }))
    for (const seed of manySeeds) expect(worstOfTurns(new Rotation(seed), [older, newer], 1)).toBeLessThan(1)
  })

  test('that the weights ask for goes on as well', () => {
    for (const seed of manySeeds) {
      const rotation = new Rotation(seed)
      const account = new Account()
      for (let i = 0; i < 100; i++) {
        const items = itemsOf([100, 100, 49 + (i % 2)])
        rotation.begin(items)
        expect(account.add(items, rotation.nextConfigured())).toBeLessThan(1)
      }
    }
  })

  // The bounds are the largest distances of 20,000 such sequences and a little: see the comment of rotation.ts.
  test.each([
    { kinds: ['weight', 'idle'] as const, most: 1.3 },
    { kinds: ['weight', 'idle', 'come', 'go'] as const, most: 1.75 },
  ])('is within $most requests of the sum of exact shares since a member came: $kinds', ({ kinds, most }) => {
    const weights = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 1_000 }))
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom(...kinds),
        place: fc.nat(),
        weight: weights,
        requests: fc.integer({ min: 1, max: 12 }),
      }),
      { minLength: 10, maxLength: 80 },
    )
    fc.assert(
      fc.property(fc.array(weights, { minLength: 2, maxLength: 6 }), steps, seeds, (first, changes, seed) => {
        const rotation = new Rotation(seed)
        const account = new Account()
        let items = itemsOf(first)
        for (const [step, change] of changes.entries()) {
          items = changed(items, change, `s${step}`)
          for (let i = 0; i < change.requests; i++) {
            expect(account.add(items, turn(rotation, items))).toBeLessThan(most)
          }
        }
      }),
      { numRuns: 200 },
    )
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
