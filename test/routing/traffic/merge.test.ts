import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { latencyBin, percentilesOf } from '../../../src/routing/usage/latency-sketch.ts'
import { mergeTraffic } from '../../../src/routing/traffic/merge.ts'
import type { GatewayTraffic, Place, PlaceSecond, RouteSecond } from '../../../src/routing/traffic/report.ts'
import type { RouteTrafficReport } from '../../../src/routing/traffic/window.ts'
import { divergenceReasons } from '../../../src/routing/config/vocabulary.ts'
import { deployment, fallback, route, routeOf, snapshotOf } from '../../support/scenario.ts'

const snapshot = snapshotOf({
  deployments: ['one', 'two', 'three', 'spare', 'last'].map((id) => deployment(id)),
  routes: [route({ one: 100, two: 200, three: 0 }, { revision: 7, fallback: fallback(['spare', 'last']) })],
})
const nowS = 1_700_000_000
const atMs = nowS * 1000 + 400

function target(backendId: string): Place {
  return { targetId: `tgt-${backendId}`, backendId, backendLabel: `${backendId} as it was called` }
}

function spare(backendId: string): Place {
  return { ...target(backendId), targetId: null }
}

function counted(place: Place, requests: number, rest: Partial<PlaceSecond> = {}): PlaceSecond {
  const duration = requests > 0 ? [latencyBin(100), requests] : []
  return {
    ...place,
    requests,
    failures: 0,
    left: 0,
    inputTokens: 0,
    outputTokens: 0,
    firstByte: [],
    duration,
    ...rest,
  }
}

function second(places: readonly PlaceSecond[], rest: Partial<RouteSecond> = {}): RouteSecond {
  const requests = places.reduce((sum, place) => sum + place.requests, 0)
  return { second: nowS, revision: 7, requests, places, divergence: [], ...rest }
}

function merge(gateways: readonly GatewayTraffic[], windowMs = 10_000, current = snapshot): RouteTrafficReport {
  return mergeTraffic({
    routeId: 'route',
    route: current.routesById.get('route'),
    labelOf: (id) => current.backends.get(id)?.label,
    gateways,
    windowMs,
    atMs,
  })
}

function of(...seconds: readonly RouteSecond[]): GatewayTraffic[] {
  return [{ seconds, inFlight: [] }]
}

describe('what is shown', () => {
  test('is every target in the order of the route and then the fallback, also without requests', () => {
    const merged = merge([])
    expect(merged.targets.map(({ targetId, backendId }) => [targetId, backendId])).toEqual([
      ['tgt-one', 'one'],
      ['tgt-two', 'two'],
      ['tgt-three', 'three'],
      [null, 'spare'],
      [null, 'last'],
    ])
    expect(merged.targets.map(({ configuredShare }) => configuredShare)).toEqual([1 / 3, 2 / 3, 0, 0, 0])
    expect(merged.targets[0]).toEqual({
      targetId: 'tgt-one',
      backendId: 'one',
      backendLabel: 'one',
      configuredShare: 1 / 3,
      observedShare: 0,
      requests: 0,
      errorShare: 0,
      inFlight: 0,
      firstByteMs: null,
      durationMs: null,
      inputTokens: 0,
      outputTokens: 0,
    })
    expect(merged).toMatchObject({
      routeId: 'route',
      revision: 7,
      requests: 0,
      inFlight: 0,
      fallbackShare: 0,
      divergence: [],
      gateways: 0,
    })
  })

  test('is also what is no longer in the route, after the rest, if it had requests or has some in flight', () => {
    const gone = target('gone')
    const draining = { ...target('draining'), inFlight: 2 }
    const renamed = { ...gone, backendLabel: 'called otherwise' }
    const merged = merge([
      {
        seconds: [second([counted(gone, 1)], { second: nowS - 3 }), second([counted(renamed, 2)])],
        inFlight: [draining],
      },
    ])
    expect(merged.targets.slice(5)).toMatchObject([
      { targetId: 'tgt-draining', configuredShare: 0, requests: 0, inFlight: 2 },
      { targetId: 'tgt-gone', configuredShare: 0, requests: 3, backendLabel: 'called otherwise', observedShare: 1 },
    ])
    expect(merged.inFlight).toBe(2)
  })

  test('of a deleted route is what it served, with the revision that served it', () => {
    const deleted = snapshotOf({})
    const merged = merge(of(second([counted(target('one'), 2)], { revision: 5 })), 10_000, deleted)
    expect(merged).toMatchObject({ revision: 5, requests: 2 })
    expect(merged.targets.map(({ backendLabel }) => backendLabel)).toEqual(['one as it was called'])
    expect(merge([], 10_000, deleted)).toMatchObject({ revision: 0, targets: [] })
  })

  test('is of the newest revision that served a request, not of one that has yet to', () => {
    expect(merge(of(second([counted(target('one'), 1)], { revision: 6 })))).toMatchObject({ revision: 6 })
  })
})

describe('the window', () => {
  test('reaches back to the beginning of the second in which it starts, and not into the future', () => {
    const one = (at: number) => second([counted(target('one'), 1)], { second: at })
    const all = Array.from({ length: 40 }, (_, i) => one(nowS - 30 + i))
    expect(merge(of(...all), 1_000).requests).toBe(2)
    expect(merge(of(...all), 10_000).requests).toBe(11)
    expect(merge(of(one(nowS + 1))).requests).toBe(0)
    expect(merge(of(one(nowS - 10))).requests).toBe(1)
    expect(merge(of(one(nowS - 11))).requests).toBe(0)
  })
})

describe('errors', () => {
  test('are shown where they happened, also of a target whose every request was served by the fallback', () => {
    const merged = merge(of(second([counted(target('one'), 0, { left: 4 }), counted(spare('spare'), 4)])))
    expect(merged.targets.map(({ errorShare }) => errorShare)).toEqual([1, 0, 0, 0, 0])
    expect(merged.fallbackShare).toBe(1)
    const some = merge(of(second([counted(target('one'), 3, { failures: 1, left: 1 })])))
    expect(some.targets[0]!.errorShare).toBe(0.5)
  })
})

describe('divergence', () => {
  test('is the share of all requests, by reason and target, those that went nowhere included', () => {
    const divergence = [
      { reason: 'FALLBACK', targetId: 'tgt-one', requests: 2 },
      { reason: 'UNHEALTHY', targetId: 'tgt-two', requests: 1 },
    ] as const
    const merged = merge([
      ...of(second([counted(target('one'), 1), counted(spare('spare'), 2)], { requests: 4, divergence })),
      ...of(second([counted(target('one'), 4)], { divergence: [{ ...divergence[1], requests: 2 }] })),
    ])
    expect(merged.requests).toBe(8)
    expect(merged.divergence).toEqual([
      { reason: 'UNHEALTHY', share: 3 / 8, targetId: 'tgt-two' },
      { reason: 'FALLBACK', share: 2 / 8, targetId: 'tgt-one' },
    ])
  })
})

const places = [...['one', 'two', 'three', 'gone'].map(target), ...['spare', 'last', 'former'].map(spare)]
const sketches = fc
  .dictionary(fc.integer({ min: 0, max: 255 }).map(String), fc.integer({ min: 1, max: 9 }), { maxKeys: 6 })
  .map((bins) => Object.entries(bins).flatMap(([bin, count]) => [Number(bin), count]))
const counts = fc.nat({ max: 50 })
const placeSeconds = fc
  .record({
    place: fc.constantFrom(...places),
    requests: counts,
    failedPart: fc.double({ min: 0, max: 1, noNaN: true }),
    left: counts,
    inputTokens: counts,
    outputTokens: counts,
    firstByte: sketches,
    duration: sketches,
  })
  .map(({ place, failedPart, ...rest }): PlaceSecond => ({
    ...place,
    ...rest,
    failures: Math.floor(rest.requests * failedPart),
  }))
const routeSeconds: fc.Arbitrary<RouteSecond> = fc
  .record({
    second: fc.integer({ min: nowS - 15, max: nowS + 1 }),
    revision: fc.integer({ min: 1, max: 9 }),
    nowhere: fc.nat({ max: 5 }),
    places: fc.uniqueArray(placeSeconds, {
      maxLength: 5,
      selector: ({ targetId, backendId }) => `${targetId} ${backendId}`,
    }),
    divergence: fc.array(
      fc.record({
        reason: fc.constantFrom(...divergenceReasons),
        targetId: fc.constantFrom('tgt-one', 'tgt-two'),
        requests: fc.integer({ min: 1, max: 9 }),
      }),
      { maxLength: 4 },
    ),
  })
  .map(({ nowhere, ...rest }) => ({ ...rest, requests: nowhere + second(rest.places).requests }))
const gatewayTraffics: fc.Arbitrary<GatewayTraffic[]> = fc.array(
  fc.record({
    seconds: fc.array(routeSeconds, { maxLength: 8 }),
    inFlight: fc.array(
      fc
        .record({ place: fc.constantFrom(...places), inFlight: fc.integer({ min: 1, max: 9 }) })
        .map(({ place, inFlight }) => ({ ...place, inFlight })),
      { maxLength: 3 },
    ),
  }),
  { maxLength: 4 },
)

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const rest = [...items]
  const taken: T[] = []
  for (let i = 0; rest.length > 0; i++) taken.push(...rest.splice((seed * (i + 7)) % rest.length, 1))
  return taken
}

describe('for any traffic', () => {
  test('observed shares sum to 1 if any request went anywhere, and every share is between 0 and 1', () => {
    fc.assert(
      fc.property(gatewayTraffics, (gateways) => {
        const { targets, fallbackShare, requests } = merge(gateways)
        const placed = targets.reduce((sum, target) => sum + target.requests, 0)
        const shares = targets.reduce((sum, { observedShare }) => sum + observedShare, 0)
        expect(shares).toBeCloseTo(placed > 0 ? 1 : 0, 9)
        expect(placed).toBeLessThanOrEqual(requests)
        expect(targets.reduce((sum, { configuredShare }) => sum + configuredShare, 0)).toBeCloseTo(1, 9)
        for (const { errorShare } of targets) expect(errorShare).toBeGreaterThanOrEqual(0)
        for (const share of [fallbackShare, ...targets.map(({ errorShare }) => errorShare)])
          expect(share).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('neither the order of gateways and seconds nor who counted what makes a difference', () => {
    fc.assert(
      fc.property(gatewayTraffics, fc.nat(), (gateways, seed) => {
        const expected = { ...merge(gateways), gateways: 1 }
        const turned = shuffled(
          gateways.map((gateway) => ({ ...gateway, seconds: shuffled(gateway.seconds, seed) })),
          seed,
        )
        expect({ ...merge(turned), gateways: 1 }).toEqual(expected)
        const asOne = {
          seconds: gateways.flatMap(({ seconds }) => seconds),
          inFlight: gateways.flatMap(({ inFlight }) => inFlight),
        }
        expect(merge([asOne])).toEqual(expected)
      }),
    )
  })

  test('what is in flight is told of each place, and in all', () => {
    fc.assert(
      fc.property(gatewayTraffics, (gateways) => {
        const merged = merge(gateways)
        const told = gateways.flatMap(({ inFlight }) => inFlight).reduce((sum, { inFlight }) => sum + inFlight, 0)
        expect(merged.inFlight).toBe(told)
        expect(merged.targets.reduce((sum, { inFlight }) => sum + inFlight, 0)).toBe(told)
      }),
    )
  })
})

describe('percentiles', () => {
  const durations = fc.array(fc.double({ min: 0.02, max: 600_000, noNaN: true }), { minLength: 1, maxLength: 300 })

  test('of the merged gateways are within 5 % of those of all requests together', () => {
    fc.assert(
      fc.property(fc.array(durations, { minLength: 1, maxLength: 4 }), (ofGateways) => {
        const merged = merge(
          ofGateways.flatMap((ms) =>
            of(second([counted(target('one'), ms.length, { duration: ms.flatMap((one) => [latencyBin(one), 1]) })])),
          ),
        )
        const sorted = ofGateways.flat().sort((a, b) => a - b)
        for (const [name, quantile] of [
          ['p50', 0.5],
          ['p95', 0.95],
          ['p99', 0.99],
        ] as const) {
          const exact = sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)]!
          const shown = merged.targets[0]!.durationMs![name]
          expect(Math.abs(shown - exact) / exact).toBeLessThanOrEqual(0.05)
        }
      }),
    )
  })

  test('of what lasted nothing, or longer than a day, are those of the shortest and longest that are told apart', () => {
    const of = (ms: number) => percentilesOf(Object.assign(new Float64Array(256), { [latencyBin(ms)]: 1 }))!.p50
    expect([of(0), of(-1), of(Number.NaN)]).toEqual([0.01, 0.01, 0.01])
    expect(of(1e12)).toBe(of(1e15))
    expect(percentilesOf([])).toBeNull()
  })

  test('are of both latencies, each of its own', () => {
    const place = counted(target('one'), 2, { firstByte: [latencyBin(10), 2], duration: [latencyBin(1_000), 2] })
    const [one] = merge(of(second([place]))).targets
    expect(Math.abs(one!.firstByteMs!.p99 - 10)).toBeLessThan(0.5)
    expect(Math.abs(one!.durationMs!.p50 - 1_000)).toBeLessThan(50)
  })
})

test('the route of the tests is what they say', () => {
  expect(routeOf(snapshot).targets.map(({ share }) => share)).toEqual([1 / 3, 2 / 3, 0])
})
