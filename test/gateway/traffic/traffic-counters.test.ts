import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTrafficCounters, type TrafficCounters } from '../../../src/gateway/traffic/traffic-counters.ts'
import { endOf, fallbackPlace, nowhere, placeOf, serve } from '../../support/traffic.ts'

const startS = 1_700_000_000

/** Counters and the clock that they are told. */
class Clocked {
  second = startS
  readonly counters: TrafficCounters

  constructor(maxEntries?: number) {
    const now = () => this.second * 1000 + 250
    this.counters = createTrafficCounters(maxEntries === undefined ? { now } : { now, maxEntries })
  }

  read(routeId = 'route', firstSecond = -Infinity) {
    return this.counters.read(routeId, firstSecond)
  }

  /** Requests by second. */
  requests(routeId = 'route'): Record<number, number> {
    return Object.fromEntries(this.read(routeId).seconds.map(({ second, requests }) => [second - startS, requests]))
  }
}

describe('a second', () => {
  test('has what ended in it, by place: requests, failures, tokens and both latencies', () => {
    const clocked = new Clocked()
    const { counters } = clocked
    const tokens = { inputTokens: 7, cachedInputTokens: 1, cacheWriteTokens: 0, outputTokens: 5, reasoningTokens: 2 }
    serve(counters, placeOf('a'), 2, endOf({ tokens }))
    serve(counters, placeOf('a', { revision: 4 }), 1, endOf({ outcome: 'UPSTREAM_ERROR', firstByteMs: null }))
    serve(counters, fallbackPlace('b', { revision: 3 }))
    const [second] = clocked.read().seconds
    expect(second).toMatchObject({ second: startS, requests: 4, revision: 4, divergence: [] })
    expect(second!.places).toHaveLength(2)
    expect(second!.places[0]).toMatchObject({
      targetId: 'tgt-a',
      backendId: 'a',
      requests: 3,
      failures: 1,
      left: 0,
      inputTokens: 14,
      outputTokens: 10,
    })
    expect(second!.places[0]!.firstByte).toEqual([expect.any(Number), 2])
    expect(second!.places[0]!.duration).toEqual([expect.any(Number), 3])
    expect(second!.places[1]).toMatchObject({ targetId: null, backendId: 'b', requests: 1, failures: 0 })
  })

  test('counts a request once, where it ended, and the attempts that went on elsewhere where they failed', () => {
    const clocked = new Clocked()
    const { counters } = clocked
    const divergence = { reason: 'FALLBACK', targetId: 'tgt-a' } as const
    counters.began(placeOf('a'))
    counters.left(placeOf('a'))
    serve(counters, fallbackPlace('b'), 1, endOf({ divergence, outcome: 'OK_BY_FALLBACK' }))
    const [second] = clocked.read().seconds
    expect(second).toMatchObject({ requests: 1, divergence: [{ ...divergence, requests: 1 }] })
    expect(second!.places.map(({ requests, left, failures }) => [requests, left, failures])).toEqual([
      [0, 1, 0],
      [1, 0, 0],
    ])
  })

  test('counts a request that went nowhere without a place, but with its divergence', () => {
    const clocked = new Clocked()
    const divergence = { reason: 'UNHEALTHY', targetId: 'tgt-a' } as const
    clocked.counters.ended(nowhere, endOf({ divergence, outcome: 'UPSTREAM_ERROR' }))
    expect(clocked.read()).toMatchObject({
      inFlight: [],
      seconds: [{ requests: 1, places: [], divergence: [{ ...divergence, requests: 1 }] }],
    })
  })

  test('is there only if something ended in it, and says as JSON no more than its type does', () => {
    const clocked = new Clocked()
    serve(clocked.counters, placeOf('a'))
    clocked.second += 7
    serve(clocked.counters, placeOf('a'), 2)
    expect(clocked.requests()).toEqual({ 0: 1, 7: 2 })
    expect(clocked.read('route', startS + 1).seconds).toHaveLength(1)
    const json = JSON.parse(JSON.stringify(clocked.read().seconds[0])) as object
    expect(Object.keys(json).sort()).toEqual(['divergence', 'places', 'requests', 'revision', 'second'])
  })
})

describe('requests in flight', () => {
  test('are counted by place from their beginning until they leave or end', () => {
    const clocked = new Clocked()
    const { counters } = clocked
    counters.began(placeOf('a'))
    counters.began(placeOf('a'))
    counters.began(fallbackPlace('a'))
    const inFlight = () => clocked.read().inFlight.map((place) => [place.targetId, place.backendId, place.inFlight])
    expect(inFlight()).toEqual([
      ['tgt-a', 'a', 2],
      [null, 'a', 1],
    ])
    counters.left(placeOf('a'))
    counters.ended(fallbackPlace('a'), endOf())
    expect(inFlight()).toEqual([['tgt-a', 'a', 1]])
    counters.ended(placeOf('a'), endOf())
    expect(inFlight()).toEqual([])
  })

  test('outlive the seconds: a stream of an hour is still in flight after it', () => {
    const clocked = new Clocked()
    clocked.counters.began(placeOf('a'))
    for (let i = 0; i < 60; i++) {
      clocked.second += 60
      serve(clocked.counters, placeOf('b'))
      clocked.counters.changesSince(0, false)
    }
    expect(clocked.read().inFlight).toMatchObject([{ backendId: 'a', inFlight: 1 }])
  })

  test('stay right when targets come and go by the hundred', () => {
    const clocked = new Clocked()
    for (let i = 0; i < 500; i++) {
      if (i % 100 === 0) clocked.counters.began(placeOf(`stays${i}`))
      serve(clocked.counters, placeOf(`target${i}`))
    }
    expect(clocked.read().inFlight.map(({ backendId }) => backendId)).toEqual(
      [0, 100, 200, 300, 400].map((i) => `stays${i}`),
    )
  })
})

describe('changes', () => {
  test('are told once: the seconds that changed, and the current one if only the requests in flight did', () => {
    const clocked = new Clocked()
    const { counters } = clocked
    serve(counters, placeOf('a'))
    clocked.second++
    serve(counters, placeOf('a'))
    const first = counters.changesSince(0, false)
    expect(first.routes.map(({ seconds }) => seconds.map(({ second }) => second - startS))).toEqual([[0, 1]])
    expect(counters.changesSince(first.mark, false).routes).toEqual([])
    serve(counters, placeOf('a'))
    const second = counters.changesSince(first.mark, false)
    expect(second.routes[0]!.seconds.map(({ second, requests }) => [second - startS, requests])).toEqual([[1, 2]])
    counters.began(placeOf('a'))
    const third = counters.changesSince(second.mark, false)
    expect(third.routes[0]!.seconds.map(({ second, requests }) => [second - startS, requests])).toEqual([[1, 2]])
    expect(third.routes[0]!.inFlight).toMatchObject([{ inFlight: 1 }])
  })

  test('are told, when asked for, of every route with requests in flight, and of no idle one', () => {
    const clocked = new Clocked()
    const { counters } = clocked
    counters.began(placeOf('a', { routeId: 'busy' }))
    serve(counters, placeOf('a', { routeId: 'idle' }))
    const { mark } = counters.changesSince(0, false)
    clocked.second += 5
    expect(counters.changesSince(mark, false).routes).toEqual([])
    const { routes } = counters.changesSince(mark, true)
    expect(routes.map(({ routeId }) => routeId)).toEqual(['busy'])
    expect(routes[0]!.seconds).toMatchObject([{ second: startS + 5, requests: 0 }])
  })
})

describe('memory', () => {
  test('of idle routes is given back after five minutes', () => {
    const clocked = new Clocked()
    for (let i = 0; i < 1_000; i++) serve(clocked.counters, placeOf('a', { routeId: `route${i}` }))
    expect(clocked.counters.entries).toBe(2_000)
    clocked.second += 310
    serve(clocked.counters, placeOf('a', { routeId: 'last' }))
    expect(clocked.counters.entries).toBe(2)
    expect(clocked.read('route5')).toEqual({ seconds: [], inFlight: [] })
  })

  test('of a window of five minutes is kept whole', () => {
    const clocked = new Clocked()
    for (let i = 0; i < 1_000; i++, clocked.second++) serve(clocked.counters, placeOf('a'))
    const inWindow = clocked.read('route', clocked.second - 300).seconds
    expect(inWindow.reduce((sum, { requests }) => sum + requests, 0)).toBe(300)
  })

  test('is bounded: the oldest seconds go first, and those of busy routes remain', () => {
    const clocked = new Clocked(100)
    for (let i = 0; i < 1_000; i++) {
      if (i % 50 === 0) clocked.second++
      serve(clocked.counters, placeOf('a', { routeId: `route${i}` }))
    }
    expect(clocked.counters.entries).toBeLessThanOrEqual(100)
    expect(clocked.requests('route999')).toEqual({ 20: 1 })
    expect(clocked.requests('route0')).toEqual({})
  })
})

describe('a clock that jumps', () => {
  test('an hour ahead or back loses what was counted before, and counts on', () => {
    for (const jumpS of [3600, -3600]) {
      const clocked = new Clocked()
      serve(clocked.counters, placeOf('a'), 5)
      clocked.second += jumpS
      serve(clocked.counters, placeOf('a'), 2)
      expect(clocked.requests()).toEqual({ [jumpS]: 2 })
      expect(clocked.counters.entries).toBe(2)
    }
  })

  test('back by minutes shows nothing twice: what is yet to come is dropped, and counting goes on', () => {
    const clocked = new Clocked()
    for (let i = 0; i < 5; i++) {
      clocked.second = startS + i
      serve(clocked.counters, placeOf('a'))
      serve(clocked.counters, placeOf('b'))
    }
    clocked.second = startS - 200
    serve(clocked.counters, placeOf('a'))
    expect(clocked.requests()).toEqual({ '-200': 1 })
    expect(clocked.counters.entries).toBe(2)
    for (let i = 0; i < 5; i++) {
      clocked.second = startS + i
      serve(clocked.counters, placeOf('a'))
    }
    expect(clocked.requests()).toEqual({ '-200': 1, 0: 1, 1: 1, 2: 1, 3: 1, 4: 1 })
    expect(clocked.counters.entries).toBe(12)
  })

  test('back by seconds counts on in the seconds that are there', () => {
    const clocked = new Clocked()
    for (let i = 0; i < 5; i++, clocked.second++) serve(clocked.counters, placeOf('a'))
    const { mark } = clocked.counters.changesSince(0, false)
    clocked.second = startS + 2
    serve(clocked.counters, placeOf('a'))
    expect(clocked.requests()).toEqual({ 0: 1, 1: 1, 2: 2, 3: 1, 4: 1 })
    const changes = clocked.counters.changesSince(mark, false)
    expect(changes.routes[0]!.seconds.map(({ second }) => second - startS)).toEqual([2])
  })

  test('however it jumps, entries stay in bounds and are counted right, and nothing stays in flight', () => {
    const steps = fc.array(
      fc.record({
        jumpS: fc.oneof(
          { weight: 6, arbitrary: fc.constant(0) },
          { weight: 2, arbitrary: fc.integer({ min: 1, max: 3 }) },
          { weight: 1, arbitrary: fc.integer({ min: -1_000, max: 1_000 }) },
        ),
        route: fc.integer({ min: 0, max: 3 }),
        backend: fc.constantFrom('a', 'b', 'c'),
        isLeft: fc.boolean(),
      }),
      { maxLength: 300 },
    )
    fc.assert(
      fc.property(steps, fc.integer({ min: 4, max: 60 }), (taken, maxEntries) => {
        const clocked = new Clocked(maxEntries)
        for (const { jumpS, route, backend, isLeft } of taken) {
          clocked.second += jumpS
          const place = placeOf(backend, { routeId: `route${route}` })
          clocked.counters.began(place)
          if (isLeft) clocked.counters.left(place)
          else clocked.counters.ended(place, endOf())
          expect(clocked.counters.entries).toBeLessThanOrEqual(maxEntries)
        }
        const routes = [0, 1, 2, 3].map((i) => clocked.read(`route${i}`))
        const held = routes.flatMap(({ seconds }) => seconds).reduce((sum, { places }) => sum + 1 + places.length, 0)
        expect(held).toBe(clocked.counters.entries)
        expect(routes.flatMap(({ inFlight }) => inFlight)).toEqual([])
      }),
    )
  })
})
