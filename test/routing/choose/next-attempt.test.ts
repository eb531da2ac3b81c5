import { describe, expect, test } from 'vitest'
import type { RouteConfiguration } from '../../../src/routing/config/configuration.ts'
import {
  nextAttempt,
  retryRule,
  type Attempt,
  type AttemptQuestion,
  type NextAttempt,
} from '../../../src/routing/choose/next-attempt.ts'
import { Rotations } from '../../../src/routing/choose/rotation.ts'
import type { FallbackTrigger } from '../../../src/routing/config/vocabulary.ts'
import { fallbackTriggers } from '../../../src/routing/config/vocabulary.ts'
import {
  deployment,
  endpoint,
  fallback,
  provider,
  route,
  routeOf,
  seededRandom,
  snapshotOf,
  WrittenLive,
} from '../../support/scenario.ts'

const deployments = [
  deployment('one'),
  deployment('other'),
  deployment('twin', { endpoints: [endpoint('twin-1'), endpoint('twin-2'), endpoint('twin-3')] }),
  deployment('spare', { endpoints: [endpoint('spare-1'), endpoint('spare-2')] }),
  deployment('patient', { queue: { maxWaiting: 5, maxWaitMs: 1_000 } }),
  deployment('calm', { queue: { maxWaiting: 5, maxWaitMs: 1_000 } }),
  deployment('empty', { endpoints: [] }),
  deployment('off', { state: 'DISABLED' }),
]
const keys = [1, 2, 3].map((n) => ({ id: `key-${n}`, secret: 's', hint: '****' }))
const providers = [provider('paid'), provider('cloud', { credentials: keys }), provider('bare', { credentials: [] })]

/** Walks one request: `script` says what becomes of each plan, and the steps are told in short. */
class Walk {
  readonly live = new WrittenLive()
  readonly attempts: Attempt[] = []
  hasRepeat = true
  wantsStream = true
  nowMs = 1_000
  deadlineAtMs = 600_000
  readonly #rotations = new Rotations(seededRandom(1))
  readonly #random = seededRandom(2)
  readonly #snapshot
  readonly #route

  constructor(configuration: RouteConfiguration) {
    this.#snapshot = snapshotOf({ deployments, providers, routes: [configuration] })
    this.#route = routeOf(this.#snapshot)
  }

  next(): NextAttempt {
    const question: AttemptQuestion = {
      snapshot: this.#snapshot,
      route: this.#route,
      live: this.live,
      operation: '/v1/chat/completions',
      session: null,
      rotations: this.#rotations,
      random: this.#random,
      prefixHash: null,
      deadlineAtMs: this.deadlineAtMs,
      attempts: this.attempts,
      hasRepeat: this.hasRepeat,
      nowMs: this.nowMs,
      wantsStream: this.wantsStream,
    }
    return nextAttempt(question)
  }

  /** The step in short, e.g. `one/one-1`, `fallback paid-model/paid-key`, `wait patient`, `relay 0`, `503 …`. */
  step(): string {
    const next = this.next()
    switch (next.kind) {
      case 'attempt': {
        const { backend, isFallback, isRepeat } = next
        const where = next.endpoint?.id ?? next.credential?.id ?? '-'
        return `${isFallback ? 'fallback ' : ''}${isRepeat ? 'repeat ' : ''}${backend.id}/${where}`
      }
      case 'wait':
        return `${next.isFallback ? 'fallback ' : ''}wait ${next.backend.id}`
      case 'stop':
        return next.answer.kind === 'relay' ? `relay ${next.answer.attemptIndex}` : next.answer.code
    }
  }

  /** Takes the next step and lets it end so. */
  fail(trigger: FallbackTrigger, status: number | null = null): string {
    const next = this.next()
    if (next.kind === 'stop') throw new Error('nothing to fail')
    this.attempts.push({
      targetId: next.target?.id ?? null,
      backendId: next.backend.id,
      endpointId: next.kind === 'attempt' ? (next.endpoint?.id ?? null) : null,
      credentialId: next.kind === 'attempt' ? (next.credential?.id ?? null) : null,
      isFallback: next.isFallback,
      wasSent: next.kind === 'attempt',
      status,
      trigger,
    })
    return next.backend.id
  }
}

/** Each row of the failure contract, with the status that upstream gave. */
const rows: readonly (readonly [FallbackTrigger, number | null])[] = [
  ['CONNECT_ERROR', null],
  ['TIMEOUT', null],
  ['RATE_LIMITED', 429],
  ['SERVER_ERROR', 500],
  ['SERVER_ERROR', 502],
  ['SERVER_ERROR', 503],
  ['SERVER_ERROR', 504],
  ['SERVER_ERROR', 529],
  ['UPSTREAM_AUTH', 401],
  ['UPSTREAM_AUTH', 403],
  // A stream that began with an error event.
  ['UPSTREAM_AUTH', 200],
  ['UPSTREAM_NOT_FOUND', 404],
]

describe('a target that failed', () => {
  test.each(rows)('with %s (%s) is followed by the one other target, then by the fallback', (trigger, status) => {
    const walk = new Walk(
      route({ one: 1, other: 1 }, { fallback: fallback(['paid-model', 'cloud-model'], { maxAttempts: 9 }) }),
    )
    const first = walk.fail(trigger, status)
    const other = first === 'one' ? 'other' : 'one'
    expect(walk.step()).toBe(`repeat ${other}/${other}-1`)
    walk.fail(trigger, status)
    expect(walk.step()).toBe('fallback paid-model/paid-key')
    walk.fail(trigger, status)
    expect(walk.step()).toBe('fallback cloud-model/key-1')
  })

  test.each(rows)(
    'with %s (%s) is followed by the fallback at once, if no other target is available',
    (trigger, status) => {
      const walk = new Walk(route({ one: 1, other: 0 }, { fallback: fallback(['paid-model']) }))
      walk.fail(trigger, status)
      expect(walk.step()).toBe('fallback paid-model/paid-key')
    },
  )

  test.each(rows)('with %s (%s) ends the request where there is nothing else', (trigger, status) => {
    const walk = new Walk(route({ one: 1 }))
    walk.fail(trigger, status)
    const expected: Partial<Record<FallbackTrigger, string>> = {
      CONNECT_ERROR: 'upstream_unreachable',
      TIMEOUT: 'upstream_timeout',
      UPSTREAM_AUTH: 'upstream_auth_failed',
    }
    expect(walk.step()).toBe(expected[trigger] ?? 'relay 0')
  })

  test.each(fallbackTriggers)('does not move on to a fallback without %s among its triggers', (trigger) => {
    const triggers = fallbackTriggers.filter((it) => it !== trigger)
    const walk = new Walk(route({ one: 1 }, { fallback: fallback(['paid-model'], { triggers }) }))
    if (trigger === 'UNAVAILABLE') walk.live.ejected.set('one-1', 5)
    else if (trigger === 'SATURATED') walk.live.full.add('one-1')
    else walk.fail(trigger, trigger === 'CONTEXT_LENGTH' ? 400 : null)
    expect(walk.step()).not.toMatch(/^fallback/)
  })

  test('by a context that is too long moves to the fallback only, if that is wanted', () => {
    const wanted = fallback(['paid-model'], { triggers: ['CONTEXT_LENGTH'] })
    const walk = new Walk(route({ one: 1, other: 1 }, { fallback: wanted }))
    walk.fail('CONTEXT_LENGTH', 400)
    expect(walk.step()).toBe('fallback paid-model/paid-key')
    const unwanted = new Walk(route({ one: 1, other: 1 }, { fallback: fallback(['paid-model']) }))
    unwanted.fail('CONTEXT_LENGTH', 400)
    expect(unwanted.step()).toBe('relay 0')
  })

  test('is never followed by a target with weight 0', () => {
    const walk = new Walk(route({ one: 1, other: 0 }))
    walk.fail('SERVER_ERROR', 500)
    expect(walk.step()).toBe('relay 0')
  })

  test('is followed by one other target, not by two', () => {
    const walk = new Walk(
      route({ one: 1, other: 1, twin: 1 }, { fallback: fallback(['paid-model'], { maxAttempts: 9 }) }),
    )
    while (!walk.step().startsWith('fallback')) walk.fail('SERVER_ERROR', 500)
    expect(new Set(walk.attempts.map(({ targetId }) => targetId)).size).toBe(2)
    expect(new Set(walk.attempts.map(({ endpointId }) => endpointId)).size).toBe(walk.attempts.length)
  })

  test('because its plain answer took too long is followed by the fallback, and by no equal target', () => {
    const walk = new Walk(route({ one: 1, other: 1 }, { fallback: fallback(['paid-model']) }))
    walk.wantsStream = false
    walk.fail('TIMEOUT')
    expect(walk.step()).toBe('fallback paid-model/paid-key')
    const alone = new Walk(route({ one: 1, other: 1 }))
    alone.wantsStream = false
    alone.fail('TIMEOUT')
    expect(alone.step()).toBe('upstream_timeout')
  })
})

describe('a deployment whose endpoint failed', () => {
  test('is tried once more at another endpoint, and then no more', () => {
    const walk = new Walk(route({ twin: 1 }, { fallback: fallback(['paid-model'], { maxAttempts: 9 }) }))
    walk.fail('CONNECT_ERROR')
    const [first] = walk.attempts
    expect(walk.step()).toMatch(/^repeat twin\/twin-[123]$/)
    walk.fail('CONNECT_ERROR')
    expect(walk.attempts[1]!.endpointId).not.toBe(first!.endpointId)
    expect(walk.step()).toBe('fallback paid-model/paid-key')
  })

  test('is not tried at an endpoint that is not available', () => {
    const walk = new Walk(route({ spare: 1 }))
    walk.fail('CONNECT_ERROR')
    const elsewhere = walk.attempts[0]!.endpointId === 'spare-1' ? 'spare-2' : 'spare-1'
    walk.live.full.add(elsewhere)
    expect(walk.step()).toBe('upstream_unreachable')
  })

  const elsewhere = new Set(['CONNECT_ERROR', 'SERVER_ERROR', 'RATE_LIMITED'])

  test.each(rows.filter(([trigger]) => elsewhere.has(trigger)))(
    'with %s (%s) is tried elsewhere',
    (trigger, status) => {
      const walk = new Walk(route({ twin: 1 }))
      walk.fail(trigger, status)
      expect(walk.step()).toMatch(/^repeat twin/)
    },
  )

  test.each(rows.filter(([trigger]) => !elsewhere.has(trigger)))('with %s (%s) is not', (trigger, status) => {
    const walk = new Walk(route({ twin: 1 }))
    walk.fail(trigger, status)
    expect(walk.step()).not.toMatch(/twin/)
  })

  test('as a fallback is tried at another endpoint after the rest of the fallback', () => {
    const walk = new Walk(route({ one: 1 }, { fallback: fallback(['spare', 'paid-model'], { maxAttempts: 9 }) }))
    walk.fail('CONNECT_ERROR')
    expect(walk.fail('CONNECT_ERROR')).toBe('spare')
    expect(walk.fail('CONNECT_ERROR')).toBe('paid-model')
    expect(walk.step()).toBe('upstream_unreachable')
    const alone = new Walk(route({ one: 1 }, { fallback: fallback(['spare'], { maxAttempts: 9 }) }))
    alone.fail('CONNECT_ERROR')
    alone.fail('CONNECT_ERROR')
    expect(alone.step()).toMatch(/^fallback repeat spare\/spare-[12]$/)
  })
})

describe('the budget for repeats', () => {
  test('stops another endpoint and another target, but not the fallback', () => {
    const walk = new Walk(route({ twin: 1, other: 1 }, { fallback: fallback(['paid-model']) }))
    walk.hasRepeat = false
    walk.fail('CONNECT_ERROR')
    expect(walk.step()).toBe('fallback paid-model/paid-key')
  })

  test('does not count a target that is chosen after waiting in vain: nothing was sent', () => {
    const walk = new Walk(route({ patient: 1, other: 1 }))
    walk.hasRepeat = false
    walk.live.full.add('patient-1').add('other-1')
    expect(walk.fail('SATURATED')).toBe('patient')
    walk.live.full.delete('other-1')
    expect(walk.step()).toBe('other/other-1')
  })
})

describe('attempts', () => {
  test('are at most three without a fallback', () => {
    const walk = new Walk(route({ twin: 1, spare: 1 }))
    walk.fail('CONNECT_ERROR')
    walk.fail('CONNECT_ERROR')
    walk.fail('CONNECT_ERROR')
    expect(walk.step()).toBe('upstream_unreachable')
  })

  test('keep one for the fallback', () => {
    const walk = new Walk(route({ twin: 1, other: 1 }, { fallback: fallback(['paid-model'], { maxAttempts: 2 }) }))
    walk.fail('CONNECT_ERROR')
    expect(walk.step()).toBe('fallback paid-model/paid-key')
    walk.fail('SERVER_ERROR', 500)
    expect(walk.step()).toBe('relay 1')
  })

  test('are one with maxAttempts 1, and that goes to the target', () => {
    const walk = new Walk(route({ one: 1 }, { fallback: fallback(['paid-model'], { maxAttempts: 1 }) }))
    expect(walk.fail('SERVER_ERROR', 503)).toBe('one')
    expect(walk.step()).toBe('relay 0')
  })

  test('end with the deadline', () => {
    const walk = new Walk(route({ one: 1 }, { fallback: fallback(['paid-model']) }))
    walk.fail('TIMEOUT')
    walk.nowMs = walk.deadlineAtMs
    expect(walk.step()).toBe('upstream_timeout')
  })

  test('never go twice to the same endpoint or provider model, except with another credential', () => {
    for (const trigger of ['CONNECT_ERROR', 'SERVER_ERROR', 'RATE_LIMITED'] as const) {
      const walk = new Walk(
        route(
          { twin: 1, 'cloud-model': 1 },
          { fallback: fallback(['spare', 'paid-model', 'bare-model'], { maxAttempts: 9 }) },
        ),
      )
      walk.fail(trigger)
      while (walk.next().kind !== 'stop') walk.fail(trigger)
      const places = walk.attempts.map((it) => `${it.backendId} ${it.endpointId} ${it.credentialId}`)
      expect(new Set(places).size).toBe(places.length)
      expect(walk.attempts.length).toBeLessThanOrEqual(9)
    }
  })
})

describe('credentials', () => {
  test.each([
    ['UPSTREAM_AUTH', 401],
    ['UPSTREAM_AUTH', 403],
    ['RATE_LIMITED', 429],
  ] as const)('%s (%s) goes on with the next one, as no fallback and no repeat', (trigger, status) => {
    const walk = new Walk(route({ 'cloud-model': 1 }))
    walk.hasRepeat = false
    expect(walk.step()).toBe('cloud-model/key-1')
    walk.fail(trigger, status)
    expect(walk.step()).toBe('cloud-model/key-2')
    walk.fail(trigger, status)
    walk.live.ejected.set('key-3', 1)
    expect(walk.step()).toBe(status === 429 ? 'relay 1' : 'upstream_auth_failed')
  })

  test('a benched one is passed over, and if all are benched the one that is due first is taken', () => {
    const walk = new Walk(route({ 'cloud-model': 1 }))
    walk.live.ejected.set('key-1', 1)
    expect(walk.step()).toBe('cloud-model/key-2')
    walk.live.ejected.set('key-2', 1).set('key-3', 1)
    walk.live.dueAtMs.set('key-1', 9_000).set('key-2', 5_000).set('key-3', 7_000)
    expect(walk.step()).toBe('cloud-model/key-2')
  })

  test('a provider without any is called without one', () => {
    expect(new Walk(route({ 'bare-model': 1 })).step()).toBe('bare-model/-')
  })
})

describe('with nothing available', () => {
  test('the fallback takes what the full deployment cannot', () => {
    const walk = new Walk(route({ one: 1 }, { fallback: fallback(['paid-model']) }))
    walk.live.full.add('one-1')
    expect(walk.step()).toBe('fallback paid-model/paid-key')
    walk.live.full.clear()
    expect(walk.step()).toBe('one/one-1')
  })

  test('a full deployment with a waiting room is waited for, and then the fallback serves', () => {
    const walk = new Walk(route({ patient: 1 }, { fallback: fallback(['paid-model']) }))
    walk.live.full.add('patient-1')
    expect(walk.step()).toBe('wait patient')
    walk.fail('SATURATED')
    expect(walk.step()).toBe('fallback paid-model/paid-key')
  })

  test('of two full deployments the one with a place to wait is waited for; with none the fallback serves at once', () => {
    const walk = new Walk(route({ patient: 1, calm: 9 }, { fallback: fallback(['paid-model']) }))
    walk.live.full.add('patient-1').add('calm-1')
    walk.live.queued.set('calm', 5)
    for (let i = 0; i < 20; i++) expect(walk.step()).toBe('wait patient')
    walk.live.queued.set('patient', 5)
    expect(walk.step()).toBe('fallback paid-model/paid-key')
  })

  test('a full endpoint does not send its overflow to one beside it that is ejected', () => {
    const walk = new Walk(route({ twin: 1, other: 1 }))
    walk.live.full.add('twin-1')
    walk.live.ejected.set('twin-2', 1).set('twin-3', 1).set('other-1', 1)
    expect(walk.step()).toBe('no_target_available')
  })

  test('a full deployment without fallback ends in 503 with a Retry-After', () => {
    const walk = new Walk(route({ patient: 1 }))
    walk.live.full.add('patient-1')
    walk.fail('SATURATED')
    expect(walk.next()).toMatchObject({ answer: { code: 'no_target_available', retryAfterMs: 1_000 } })
  })

  test('the fallback serves while everything is ejected', () => {
    const walk = new Walk(route({ one: 1, other: 1 }, { fallback: fallback(['paid-model']) }))
    walk.live.ejected.set('one-1', 10).set('other-1', 20)
    expect(walk.step()).toBe('fallback paid-model/paid-key')
  })

  test('without a fallback the least recently ejected is tried', () => {
    const walk = new Walk(route({ one: 1, other: 5, twin: 0 }))
    walk.live.ejected.set('one-1', 10).set('other-1', 20).set('twin-1', 1).set('twin-2', 1).set('twin-3', 1)
    expect(walk.step()).toBe('one/one-1')
    walk.live.ejected.set('other-1', 5)
    expect(walk.step()).toBe('other/other-1')
  })

  test('the fallback is among the least recently ejected', () => {
    const walk = new Walk(route({ one: 1 }, { fallback: fallback(['paid-model']) }))
    walk.live.ejected.set('one-1', 10).set('paid-model', 5)
    expect(walk.step()).toBe('fallback paid-model/paid-key')
    walk.live.ejected.set('paid-model', 15)
    expect(walk.step()).toBe('one/one-1')
  })

  test('an ejected endpoint that is full is not tried: permits hold for trials too', () => {
    const walk = new Walk(route({ one: 1 }))
    walk.live.ejected.set('one-1', 10)
    walk.live.full.add('one-1')
    expect(walk.step()).toBe('no_target_available')
  })

  test('an ejected endpoint that is full is waited for, if there is a place and nothing else is left', () => {
    const walk = new Walk(route({ one: 1, patient: 1 }))
    walk.live.ejected.set('one-1', 10).set('patient-1', 5)
    walk.live.full.add('patient-1')
    expect(walk.step()).toBe('one/one-1')
    walk.live.full.add('one-1')
    expect(walk.next()).toMatchObject({ kind: 'wait', backend: { id: 'patient' }, isLastResort: true })
    walk.live.queued.set('patient', 5)
    expect(walk.step()).toBe('no_target_available')
  })

  test('an ejected one is no way on for a request that was sent already', () => {
    const walk = new Walk(route({ one: 1, other: 1 }))
    walk.fail('SERVER_ERROR', 500)
    walk.live.ejected.set('one-1', 10).set('other-1', 10)
    expect(walk.step()).toBe('relay 0')
  })

  test.each(['empty', 'off'])('a route to %s alone is 503', (id) => {
    expect(new Walk(route({ [id]: 1 })).next()).toMatchObject({ answer: { code: 'no_target_available' } })
  })

  test('Retry-After is the time until the first ejected one is due, from 1 s to 5 min', () => {
    const walk = new Walk(route({ one: 1 }))
    walk.live.ejected.set('one-1', 10)
    walk.live.full.add('one-1')
    for (const [dueInMs, expected] of [
      [42_000, 42_000],
      [10, 1_000],
      [9_000_000, 300_000],
    ] as const) {
      walk.live.dueAtMs.set('one-1', walk.nowMs + dueInMs)
      expect(walk.next()).toMatchObject({ answer: { retryAfterMs: expected } })
    }
  })

  test('Retry-After counts nothing that takes no traffic', () => {
    const draining = deployment('partly', {
      endpoints: [
        endpoint('partly-1', { state: 'DRAINING' }),
        endpoint('partly-2'),
        endpoint('partly-3', { state: 'DISABLED' }),
      ],
    })
    const snapshot = snapshotOf({
      deployments: [
        draining,
        deployment('off', { state: 'DISABLED' }),
        deployment('unweighted'),
        deployment('embedder', { operations: ['/v1/embeddings'] }),
        deployment('reserve'),
      ],
      routes: [
        route(
          { partly: 1, off: 1, unweighted: 0, embedder: 1 },
          { fallback: fallback(['reserve'], { triggers: ['SATURATED'] }) },
        ),
      ],
    })
    const live = new WrittenLive()
    // What takes no traffic is due soon, or well.
    for (const [place, dueAtMs] of [
      ['partly-1', 2_000],
      ['partly-2', 60_000],
      ['unweighted-1', 3_000],
    ] as const) {
      live.ejected.set(place, 1)
      live.dueAtMs.set(place, dueAtMs)
    }
    const question = { snapshot, route: routeOf(snapshot), live, operation: '/v1/messages', session: null }
    expect(retryRule(question, 0)).toEqual({ retryAfterMs: 60_000, shouldRetry: true })
  })

  test('a full fallback with a waiting room is waited for, after those that are free', () => {
    const walk = new Walk(route({ one: 1 }, { fallback: fallback(['patient', 'paid-model']) }))
    walk.live.full.add('one-1').add('patient-1')
    expect(walk.step()).toBe('fallback paid-model/paid-key')
    walk.live.ejected.set('paid-model', 1)
    expect(walk.step()).toBe('fallback wait patient')
  })
})

describe('the final answer', () => {
  test('is the last one that upstream gave, even if a later attempt found nobody', () => {
    const walk = new Walk(route({ one: 1, other: 1 }))
    walk.fail('SERVER_ERROR', 503)
    walk.fail('CONNECT_ERROR')
    expect(walk.step()).toBe('relay 0')
  })

  test.each([401, 403])('is never an upstream %i', (status) => {
    const walk = new Walk(route({ one: 1, other: 1 }))
    walk.fail('SERVER_ERROR', 500)
    walk.fail('UPSTREAM_AUTH', status)
    expect(walk.step()).toBe('upstream_auth_failed')
  })

  test('is no stream that began and brought nothing in time', () => {
    const walk = new Walk(route({ one: 1, other: 1 }))
    walk.fail('SERVER_ERROR', 500)
    walk.fail('TIMEOUT', 200)
    expect(walk.step()).toBe('relay 0')
    const alone = new Walk(route({ one: 1 }))
    alone.fail('TIMEOUT', 200)
    expect(alone.step()).toBe('upstream_timeout')
  })
})

describe('divergence', () => {
  test('names each request that the weights would have given to a target that was left out', () => {
    const walk = new Walk(route({ one: 1, other: 3, off: 2, patient: 2 }))
    walk.live.ejected.set('one-1', 10)
    walk.live.full.add('patient-1')
    const counts = new Map<string, number>()
    for (let i = 0; i < 80; i++) {
      const step = walk.next()
      expect(step).toMatchObject({ kind: 'attempt', backend: { id: 'other' } })
      const name = step.divergence ? `${step.divergence.targetId} ${step.divergence.reason}` : 'as configured'
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    expect(Object.fromEntries(counts)).toEqual({
      'as configured': 30,
      'tgt-one UNHEALTHY': 10,
      'tgt-off NOT_SERVING': 20,
      'tgt-patient SATURATED': 20,
    })
  })

  test('is told of a request that goes to the fallback as well, and not of one that waits for its own target', () => {
    const walk = new Walk(route({ patient: 1 }, { fallback: fallback(['paid-model']) }))
    walk.live.full.add('patient-1')
    expect(walk.next()).toMatchObject({ kind: 'wait', divergence: null })
    walk.live.ejected.set('patient-1', 1)
    expect(walk.next().divergence).toEqual({ targetId: 'tgt-patient', reason: 'UNHEALTHY' })
  })

  test('is none while all targets are available', () => {
    const walk = new Walk(route({ one: 1, other: 2, off: 0 }))
    for (let i = 0; i < 10; i++) expect(walk.next().divergence).toBeNull()
  })
})
