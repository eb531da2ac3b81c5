import { describe, expect, test } from 'vitest'
import { explain, type Explanation } from '../../../src/routing/choose/explain.ts'
import { nextAttempt } from '../../../src/routing/choose/next-attempt.ts'
import { Rotations } from '../../../src/routing/choose/rotation.ts'
import {
  apiKey,
  deployment,
  endpoint,
  fallback,
  provider,
  route,
  routeOf,
  seededRandom,
  snapshotOf,
  user,
  WrittenLive,
} from '../../support/scenario.ts'

const snapshot = snapshotOf({
  deployments: [
    deployment('one'),
    deployment('two', { endpoints: [endpoint('two-1'), endpoint('two-2')] }),
    deployment('patient', { queue: { maxWaiting: 3, maxWaitMs: 100 } }),
    deployment('empty', { endpoints: [] }),
    deployment('off', { state: 'DRAINING' }),
  ],
  providers: [provider('paid')],
  users: [user('ann')],
  apiKeys: [apiKey('good', 'ann'), apiKey('late', 'ann', { expiresAtMs: 10 })],
  routes: [
    route({ one: 3, two: 1, patient: 4, empty: 2, off: 2, 'paid-model': 0 }),
    route({ one: 1, two: 3 }, { id: 'backed', name: 'backed', fallback: fallback(['off', 'paid-model']) }),
    route({ patient: 1, one: 0 }, { id: 'waits', name: 'waits', fallback: fallback(['paid-model']) }),
    route({ one: 1 }, { id: 'queued', name: 'queued', fallback: fallback(['off', 'patient']) }),
    route({ empty: 1 }, { id: 'dead', name: 'dead' }),
    route({ one: 1 }, { id: 'closed', name: 'closed', access: { policy: 'RESTRICTED', userIds: [], apiKeyIds: [] } }),
  ],
})

function ask(
  live: WrittenLive,
  model = 'model',
  apiKeyId: string | null = null,
  operation = '/v1/chat/completions',
): Explanation {
  return explain(snapshot, live, { model, apiKeyId, operation }, 1_000)
}

function chances({ candidates }: Explanation): Record<string, number> {
  return Object.fromEntries(candidates.map(({ backendId, probability }) => [backendId, probability]))
}

test('every target and fallback backend is told, in order, with its availability and the name that goes upstream', () => {
  const live = new WrittenLive()
  live.ejected.set('two-1', 1).set('two-2', 1)
  live.full.add('patient-1')
  const { refusal, routeId, candidates } = ask(live)
  expect([refusal, routeId]).toEqual([null, 'route'])
  expect(candidates.map(({ backendId, availability }) => [backendId, availability])).toEqual([
    ['one', 'AVAILABLE'],
    ['two', 'UNHEALTHY'],
    ['patient', 'SATURATED'],
    ['empty', 'NO_ENDPOINT'],
    ['off', 'NOT_SERVING'],
    ['paid-model', 'NO_WEIGHT'],
  ])
  expect(candidates[0]).toMatchObject({
    targetId: 'tgt-one',
    isFallback: false,
    probability: 1,
    upstreamModel: 'one-model',
  })
  expect(ask(live, 'backed').candidates.slice(2)).toMatchObject([
    { targetId: null, backendId: 'off', isFallback: true, availability: 'NOT_SERVING' },
    { targetId: null, backendId: 'paid-model', isFallback: true, availability: 'AVAILABLE', upstreamModel: 'upstream' },
  ])
})

test('an endpoint that is left, and healthy ones that are all full, decide between unhealthy and saturated', () => {
  const live = new WrittenLive()
  live.ejected.set('two-1', 1)
  const availability = () => ask(live, 'backed').candidates[1]!.availability
  expect(availability()).toBe('AVAILABLE')
  live.full.add('two-2')
  expect(availability()).toBe('SATURATED')
})

describe('a refusal', () => {
  test.each([
    ['no such model', 'nothing', 'good', '/v1/chat/completions', 404, 'model_not_found'],
    ['no such operation', 'model', 'good', '/v1/files', 404, 'unknown_url'],
    ['an operation that goes nowhere', 'model', 'good', '/v1/models', 404, 'unknown_url'],
    ['a key that was revoked', 'model', 'gone', '/v1/embeddings', 401, 'invalid_api_key'],
    ['a key that has expired', 'model', 'late', '/v1/embeddings', 401, 'invalid_api_key'],
    ['no key', 'closed', null, '/v1/embeddings', 401, 'invalid_api_key'],
    ['a key that is not listed', 'closed', 'good', '/v1/embeddings', 403, 'route_not_allowed'],
    ['nothing that serves', 'dead', null, '/v1/embeddings', 503, 'no_target_available'],
  ])('for %s', (_, model, key, operation, status, code) => {
    const { refusal, refusalCode, candidates } = ask(new WrittenLive(), model, key, operation)
    expect([refusal, refusalCode]).toEqual([status, code])
    expect(candidates.every(({ probability }) => probability === 0)).toBe(true)
  })
})

describe('the chances', () => {
  const lives: readonly (readonly [string, string, (live: WrittenLive) => void, Record<string, number>])[] = [
    ['all is well', 'backed', () => {}, { one: 0.25, two: 0.75 }],
    ['one target is ejected', 'backed', (live) => live.ejected.set('one-1', 1), { two: 1 }],
    [
      'all targets are ejected',
      'backed',
      (live) => live.ejected.set('one-1', 1).set('two-1', 1).set('two-2', 1),
      { 'paid-model': 1 },
    ],
    [
      'everything is ejected',
      'backed',
      (live) => live.ejected.set('one-1', 9).set('two-1', 8).set('two-2', 7).set('paid-model', 9),
      { two: 1 },
    ],
    [
      'a full deployment has a waiting room that is full',
      'queued',
      (live) => {
        live.full.add('one-1').add('patient-1')
        live.queued.set('patient', 99)
      },
      {},
    ],
    ['a full deployment has a waiting room', 'waits', (live) => live.full.add('patient-1'), { patient: 1 }],
    [
      'target and fallback are full, and the fallback has a waiting room',
      'queued',
      (live) => live.full.add('one-1').add('patient-1'),
      { patient: 1 },
    ],
    ['a route has four reasons at once', 'model', (live) => live.full.add('patient-1'), { one: 0.75, two: 0.25 }],
  ]

  test.each(lives)('when %s are what requests then do', (_, model, write, expected) => {
    const live = new WrittenLive()
    write(live)
    const explained = Object.entries(chances(ask(live, model))).filter(([, chance]) => chance > 0)
    expect(Object.fromEntries(explained)).toEqual(expected)
    const found = routeOf(snapshot, model)
    const rotations = new Rotations(seededRandom(3))
    const counts: Record<string, number> = {}
    for (let i = 0; i < 400; i++) {
      const step = nextAttempt({
        snapshot,
        route: found,
        live,
        operation: '/v1/chat/completions',
        session: null,
        rotations,
        random: seededRandom(i),
        prefixHash: null,
        deadlineAtMs: 9_000,
        attempts: [],
        hasRepeat: true,
        wantsStream: true,
        nowMs: 1_000,
      })
      if (step.kind !== 'stop') counts[step.backend.id] = (counts[step.backend.id] ?? 0) + 1 / 400
    }
    for (const id of Object.keys({ ...counts, ...expected })) expect(counts[id]).toBeCloseTo(expected[id] ?? 0, 5)
  })
})
