import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EndpointConfiguration } from '../../../src/routing/config/configuration.ts'
import { Rotations } from '../../../src/routing/choose/rotation.ts'
import { selectEndpoint } from '../../../src/routing/choose/select-endpoint.ts'
import type { DeploymentBackend } from '../../../src/routing/config/snapshot.ts'
import type { LoadBalancing } from '../../../src/routing/config/vocabulary.ts'
import { deployment, endpoint, seededRandom, snapshotOf, WrittenLive } from '../../support/scenario.ts'

function backendOf(loadBalancing: LoadBalancing, endpoints: readonly EndpointConfiguration[]): DeploymentBackend {
  const backend = snapshotOf({ deployments: [deployment('dep', { loadBalancing, endpoints })] }).backends.get('dep')
  if (backend?.kind !== 'deployment') throw new Error('no deployment')
  return backend
}

function endpointsOf(weights: readonly number[]): readonly EndpointConfiguration[] {
  return weights.map((weight, index) => endpoint(`e${index}`, { weight }))
}

/** Picks endpoints of one deployment, and can keep them busy. */
class Picker {
  readonly live = new WrittenLive()
  readonly #backend: DeploymentBackend
  readonly #rotations: Rotations
  readonly #random: () => number

  constructor(backend: DeploymentBackend, seed = 1) {
    this.#backend = backend
    this.#random = seededRandom(seed)
    this.#rotations = new Rotations(this.#random)
  }

  pick(prefixHash: number | null = null, excluded: ReadonlySet<string> | null = null): string | undefined {
    const question = { live: this.live, rotations: this.#rotations, random: this.#random, prefixHash }
    return selectEndpoint(this.#backend, question, excluded)?.id
  }

  occupy(id: string | undefined): void {
    if (id !== undefined) this.live.busy.set(id, this.live.inFlight(id) + 1)
  }

  counts(requests: number): Record<string, number> {
    const counts: Record<string, number> = {}
    for (let i = 0; i < requests; i++) {
      const id = this.pick() ?? 'none'
      counts[id] = (counts[id] ?? 0) + 1
    }
    return counts
  }
}

const balancings = ['LEAST_IN_FLIGHT', 'WEIGHTED_ROUND_ROBIN', 'PREFIX_AFFINITY'] as const

describe.each(balancings)('%s', (loadBalancing) => {
  test('never picks an endpoint that is draining, ejected, full or excluded', () => {
    const endpoints = [...endpointsOf([1, 1, 1, 1]), endpoint('draining', { state: 'DRAINING' })]
    const picker = new Picker(backendOf(loadBalancing, endpoints))
    picker.live.ejected.set('e0', 1)
    picker.live.full.add('e1')
    for (let i = 0; i < 100; i++) expect(picker.pick(i, new Set(['e2']))).toBe('e3')
    picker.live.full.add('e3').add('e2')
    expect(picker.pick(1)).toBeUndefined()
  })
})

describe('LEAST_IN_FLIGHT', () => {
  test('takes the less busy of two', () => {
    const picker = new Picker(backendOf('LEAST_IN_FLIGHT', endpointsOf([1, 1])))
    picker.live.busy.set('e0', 3)
    expect(picker.counts(50)).toEqual({ e1: 50 })
  })

  test('counts by weight: 30 in flight at weight 10 are less than 4 at weight 1', () => {
    const picker = new Picker(backendOf('LEAST_IN_FLIGHT', endpointsOf([10, 1])))
    picker.live.busy.set('e0', 30).set('e1', 4)
    expect(picker.counts(50)).toEqual({ e0: 50 })
  })

  test('draws among all that are idle', () => {
    const counts = new Picker(backendOf('LEAST_IN_FLIGHT', endpointsOf([1, 1, 1, 1]))).counts(4_000)
    for (const count of Object.values(counts)) expect(Math.abs(count - 1_000)).toBeLessThan(150)
    expect(Object.keys(counts)).toHaveLength(4)
  })

  test('keeps loads close together', () => {
    const picker = new Picker(backendOf('LEAST_IN_FLIGHT', endpointsOf(Array.from({ length: 10 }, () => 1))))
    for (let i = 0; i < 1_000; i++) picker.occupy(picker.pick())
    const loads = [...picker.live.busy.values()]
    expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(8)
  })
})

describe('WEIGHTED_ROUND_ROBIN', () => {
  test('gives each endpoint exactly its weight', () => {
    const picker = new Picker(backendOf('WEIGHTED_ROUND_ROBIN', endpointsOf([3, 2, 1])))
    expect(picker.counts(600)).toEqual({ e0: 300, e1: 200, e2: 100 })
  })

  test('shares among those that are left', () => {
    const picker = new Picker(backendOf('WEIGHTED_ROUND_ROBIN', endpointsOf([3, 2, 1])))
    picker.live.ejected.set('e0', 1)
    expect(picker.counts(300)).toEqual({ e1: 200, e2: 100 })
  })
})

describe('PREFIX_AFFINITY', () => {
  test('sends the same prefix to the same endpoint, and different ones everywhere', () => {
    const picker = new Picker(backendOf('PREFIX_AFFINITY', endpointsOf([1, 1, 1, 1, 1])))
    const homes = Array.from({ length: 500 }, (_, hash) => picker.pick(hash * 2_654_435_761))
    expect(Array.from({ length: 500 }, (_, hash) => picker.pick(hash * 2_654_435_761))).toEqual(homes)
    for (const id of ['e0', 'e1', 'e2', 'e3', 'e4']) {
      expect(Math.abs(homes.filter((home) => home === id).length - 100)).toBeLessThan(40)
    }
  })

  test('moves only the prefixes of an endpoint that is gone', () => {
    const picker = new Picker(backendOf('PREFIX_AFFINITY', endpointsOf([1, 1, 1, 1])))
    const before = Array.from({ length: 300 }, (_, hash) => picker.pick(hash * 40_503))
    picker.live.ejected.set('e2', 1)
    const after = before.map((_, hash) => picker.pick(hash * 40_503))
    expect(after.filter((_, hash) => before[hash] !== 'e2')).toEqual(before.filter((home) => home !== 'e2'))
    expect(after).not.toContain('e2')
  })

  test('prefers by weight', () => {
    const picker = new Picker(backendOf('PREFIX_AFFINITY', endpointsOf([3, 1])))
    const homes = Array.from({ length: 2_000 }, (_, hash) => picker.pick(hash * 2_246_822_519))
    expect(Math.abs(homes.filter((home) => home === 'e0').length / 2_000 - 0.75)).toBeLessThan(0.06)
  })

  test('without a prefix takes the less busy', () => {
    const picker = new Picker(backendOf('PREFIX_AFFINITY', endpointsOf([1, 1])))
    picker.live.busy.set('e0', 9)
    expect(picker.counts(20)).toEqual({ e1: 20 })
  })

  test('never gives an endpoint more than 1.25 times the mean load, by weight, whatever comes and ends', () => {
    const traffic = fc.array(fc.record({ hash: fc.integer(), isEnd: fc.boolean() }), { minLength: 20, maxLength: 300 })
    const weightLists = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 9 })
    fc.assert(
      fc.property(weightLists, traffic, (weights, steps) => {
        const picker = new Picker(backendOf('PREFIX_AFFINITY', endpointsOf(weights)))
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        for (const { hash, isEnd } of steps) {
          // Half of the prompts begin alike, so that one endpoint is wanted by most.
          const id = picker.pick(hash % 2 === 0 ? 7 : hash)
          picker.occupy(id)
          const requests = [...picker.live.busy.values()].reduce((sum, load) => sum + load, 0)
          const mean = (requests * weights[Number(id?.slice(1))]!) / total
          expect(picker.live.inFlight(id!)).toBeLessThanOrEqual(Math.ceil(1.25 * mean))
          const [busiest] = [...picker.live.busy].filter(([, load]) => load > 0)
          if (isEnd && busiest) picker.live.busy.set(busiest[0], busiest[1] - 1)
        }
      }),
    )
  })
})
