/** The split while members come and go, against a model of three lines: of each request every open member is due its share. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Rotation } from '../../../src/routing/choose/rotation.ts'
import { seededRandom } from '../../support/scenario.ts'

/** Which members are open for the next request. It is told who was served. */
interface Flapping {
  open(turn: number): readonly boolean[]
  served(index: number, turn: number): void
}

type MakeFlapping = (members: number, random: () => number) => Flapping

const nobodyAsked = { served() {} }

function withThreeOut(members: number, random: () => number): readonly boolean[] {
  const open = Array.from({ length: members }, () => true)
  for (let i = 0; i < Math.min(3, members - 1); i++) open[Math.floor(random() * members)] = false
  return open.includes(true) ? open : open.with(0, true)
}

const flappings: Readonly<Record<string, MakeFlapping>> = {
  'three are out, others at each request': (members, random) => ({
    open: () => withThreeOut(members, random),
    ...nobodyAsked,
  }),
  'three are out for a while': (members, random) => {
    let open = withThreeOut(members, random)
    return { open: () => (open = random() < 0.02 ? withThreeOut(members, random) : open), ...nobodyAsked }
  },
  'half of them are out': (members, random) => ({
    open() {
      const open = Array.from({ length: members }, () => random() < 0.5)
      return open.includes(true) ? open : open.with(Math.floor(random() * members), true)
    },
    ...nobodyAsked,
  }),
  'one after the other is out, and all are there in between': (members) => ({
    open: (turn) => Array.from({ length: members }, (_, i) => turn % 50 >= 25 || Math.floor(turn / 50) % members !== i),
    ...nobodyAsked,
  }),
  'each has room for four, and nearly all of it is used': (members, random) => {
    const ends: number[][] = Array.from({ length: members }, () => [])
    return {
      open(turn) {
        const open = ends.map((list, i) => (ends[i] = list.filter((end) => end > turn)).length < 4)
        return open.includes(true) ? open : open.with(Math.floor(random() * members), true)
      },
      served: (index, turn) => void ends[index]!.push(turn + 1 + Math.floor(random() * members * 7)),
    }
  },
}

const weightings: Readonly<Record<string, readonly number[]>> = {
  'ten and a canary': [...Array.from({ length: 10 }, () => 100), 5],
  'ten and two canaries': [...Array.from({ length: 10 }, () => 100), 5, 3],
  'equal ones': [1, 1, 1, 1, 1, 1],
  'powers of two': [512, 256, 128, 64, 32, 16, 8, 4, 2, 1],
  '199 and one': [199, 1],
  'two of a thousand and six of one': [1000, 1000, 1, 1, 1, 1, 1, 1],
  '90, 9 and 1': [90, 9, 1],
}

/** The largest distance of any member, at any time, from the sum of what was due to it. */
function worstDistance(weights: readonly number[], flapping: Flapping, seed: number, requests: number): number {
  const items = weights.map((weight, index) => ({ id: `t${index}`, weight }))
  const rotation = new Rotation(seed)
  const behind = weights.map(() => 0)
  let worst = 0
  for (let turn = 0; turn < requests; turn++) {
    const open = flapping.open(turn)
    rotation.begin(items)
    let total = 0
    for (const [i, isOpen] of open.entries()) {
      if (!isOpen) continue
      rotation.open(i)
      total += weights[i]!
    }
    const chosen = rotation.next()
    flapping.served(chosen, turn)
    for (const [i, isOpen] of open.entries()) {
      if (!isOpen) continue
      behind[i]! += weights[i]! / total - (i === chosen ? 1 : 0)
      worst = Math.max(worst, Math.abs(behind[i]!))
    }
  }
  return worst
}

describe('over all requests, each member stays within two of the sum of what was due to it', () => {
  const settings = Object.entries(flappings).flatMap(([flapping, make]) =>
    Object.entries(weightings).map(([weighting, weights]) => ({ flapping, weighting, make, weights })),
  )

  test.each(settings)('while $flapping: $weighting', ({ make, weights }) => {
    for (const seed of [1, 7_919, 104_729])
      expect(worstDistance(weights, make(weights.length, seededRandom(seed)), seed, 4_000)).toBeLessThan(2)
  })

  test.each([200_000, 800_000])('however many they are: a canary of 5 beside ten of 100, %i requests', (requests) => {
    const flapping = flappings['three are out, others at each request']!(11, seededRandom(14))
    expect(worstDistance(weightings['ten and a canary']!, flapping, 3, requests)).toBeLessThan(2)
  })

  test('with any weights and any sequence of sets', () => {
    const weights = fc.array(fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 1_000 })), {
      minLength: 2,
      maxLength: 8,
    })
    const masks = fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 50, maxLength: 400 })
    fc.assert(
      fc.property(weights, masks, fc.integer(), (list, sequence, seed) => {
        const openOf = (mask: number) => list.map((_, i) => (mask & (1 << i)) !== 0)
        const flapping: Flapping = {
          open(turn) {
            const open = openOf(sequence[turn % sequence.length]!)
            return open.includes(true) ? open : open.with(0, true)
          },
          served() {},
        }
        expect(worstDistance(list, flapping, seed, 800)).toBeLessThan(2)
      }),
      { numRuns: 150 },
    )
  })

  test('and ten members, each of which is shut as soon as it was served, by no more than any rule must allow', () => {
    const shutting: MakeFlapping = (members) => {
      let open = Array.from({ length: members }, () => true)
      return {
        open: () => (open.includes(true) ? open : (open = open.map(() => true))).slice(),
        served: (index) => void (open[index] = false),
      }
    }
    const least = [2, 3, 4, 5, 6, 7, 8, 9, 10].reduce((sum, n) => sum + 1 / n, 0)
    const worst = worstDistance(
      Array.from({ length: 10 }, () => 1),
      shutting(10, Math.random),
      5,
      5_000,
    )
    expect(worst).toBeLessThan(least + 1e-6)
  })
})
