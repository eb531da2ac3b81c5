import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LiveState } from '../../../src/gateway/live/live-state.ts'
import type { AttemptResult, Permit } from '../../../src/gateway/live/permit.ts'
import { classifyStatus } from '../../../src/routing/health/classify-outcome.ts'
import type { AttemptPlan, WaitPlan } from '../../../src/routing/choose/next-attempt.ts'
import type { DeploymentBackend, ProviderModelBackend, Snapshot } from '../../../src/routing/config/snapshot.ts'
import { UpstreamConnections } from '../../../src/gateway/upstream/connections.ts'
import { deployment, endpoint, provider, route, seededRandom, snapshotOf } from '../../support/scenario.ts'

const snapshot = snapshotOf({
  deployments: [
    deployment('dep', {
      endpoints: [endpoint('e1', { maxInFlight: 2 }), endpoint('e2', { maxInFlight: 1 })],
      queue: { maxWaiting: 3, maxWaitMs: 60_000 },
    }),
    deployment('hasty', { endpoints: [endpoint('h1', { maxInFlight: 1 })], queue: { maxWaiting: 2, maxWaitMs: 1 } }),
  ],
  providers: [
    provider('cloud', {
      credentials: [
        { id: 'key-1', secret: 's', hint: '****' },
        { id: 'key-2', secret: 's', hint: '****' },
      ],
    }),
  ],
  routes: [route({ dep: 1 })],
})

function deploymentOf(id: string, from: Snapshot = snapshot): DeploymentBackend {
  const backend = from.backends.get(id)
  if (backend?.kind !== 'deployment') throw new Error(`no deployment ${id}`)
  return backend
}

function cloudModel(): ProviderModelBackend {
  const backend = snapshot.backends.get('cloud-model')
  if (backend?.kind !== 'providerModel') throw new Error('no model')
  return backend
}

const plainPlan = { kind: 'attempt', target: null, isFallback: false, isRepeat: false, divergence: null } as const

function planFor(endpointId: string): AttemptPlan {
  const backend = deploymentOf(endpointId.startsWith('h') ? 'hasty' : 'dep')
  const found = backend.endpoints.find(({ id }) => id === endpointId)!
  return { ...plainPlan, backend, endpoint: found, credential: null }
}

function planWith(credentialId: string): AttemptPlan {
  const backend = cloudModel()
  const credential = backend.provider.credentials.find(({ id }) => id === credentialId)!
  return { ...plainPlan, backend, endpoint: null, credential }
}

function waitPlan(id = 'dep', isLastResort = false): WaitPlan {
  return {
    kind: 'wait',
    routeId: 'route',
    target: null,
    backend: deploymentOf(id),
    isFallback: false,
    isLastResort,
    divergence: null,
  }
}

function answered(status: number, retryAfterMs: number | null = null): AttemptResult {
  return { classification: classifyStatus(status), status, retryAfterMs, error: null }
}

const refused: AttemptResult = {
  classification: 'CONNECT_ERROR',
  status: null,
  retryAfterMs: null,
  error: 'ECONNREFUSED',
}

class Bench implements AsyncDisposable {
  nowMs = 1_000_000
  gateways = 1
  readonly #connections = new UpstreamConnections(() => true)
  readonly live = new LiveState({
    gatewayCount: () => this.gateways,
    connections: this.#connections,
    log: { info: () => {}, warn: () => {} },
    now: () => this.nowMs,
    random: seededRandom(4),
  })

  constructor() {
    this.live.apply(snapshot)
  }

  open(...endpointIds: readonly string[]): readonly Permit[] {
    return endpointIds.map((id) => this.live.open(planFor(id)))
  }

  /** One attempt from its beginning to its end. */
  attempt(plan: AttemptPlan, result: AttemptResult): void {
    using permit = this.live.open(plan)
    permit.observe(result)
  }

  failTimes(times: number, endpointId = 'e1'): void {
    for (let i = 0; i < times; i++) this.attempt(planFor(endpointId), refused)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.live[Symbol.asyncDispose]()
    await this.#connections[Symbol.asyncDispose]()
  }
}

describe('permits', () => {
  test('are counted per endpoint and come back once, however often they are disposed of', async () => {
    await using bench = new Bench()
    const [first] = bench.open('e1', 'e1')
    expect([bench.live.inFlight('e1'), bench.live.inFlight('e2'), bench.live.totalInFlight]).toEqual([2, 0, 2])
    first![Symbol.dispose]()
    first![Symbol.dispose]()
    expect([bench.live.inFlight('e1'), bench.live.totalInFlight]).toEqual([1, 1])
  })

  test('run out at maxInFlight', async () => {
    await using bench = new Bench()
    expect(bench.live.hasCapacity('e1', 2)).toBe(true)
    bench.open('e1', 'e1')
    expect(bench.live.hasCapacity('e1', 2)).toBe(false)
    expect(bench.live.hasCapacity('e1', null)).toBe(true)
  })

  test.each([
    [10, 1, 10],
    [10, 3, 3],
    [10, 4, 2],
    [3, 5, 1],
  ])('of %i over %i gateways are %i in each', async (maxInFlight, gateways, expected) => {
    await using bench = new Bench()
    bench.gateways = gateways
    let taken = 0
    while (bench.live.hasCapacity('e1', maxInFlight)) {
      bench.open('e1')
      taken++
    }
    expect(taken).toBe(expected)
  })
})

describe('circuits', () => {
  test('eject an endpoint after five failures and let one trial at a time through when they are due', async () => {
    await using bench = new Bench()
    const { live } = bench
    bench.failTimes(4)
    expect(live.isHealthy('e1')).toBe(true)
    bench.failTimes(1)
    expect(live.isHealthy('e1')).toBe(false)
    expect(live.ejectedAtMs('e1')).toBe(bench.nowMs)
    bench.nowMs = live.retryAtMs('e1')
    expect(live.isHealthy('e1')).toBe(true)
    const [trial] = bench.open('e1')
    expect(live.isHealthy('e1')).toBe(false)
    trial!.observe(answered(200))
    expect(live.isHealthy('e1')).toBe(true)
    trial!.complete(200)
    expect(live.healthOf('e1')).toMatchObject({ circuit: 'CLOSED', consecutiveFailures: 0, retryAtMs: null })
  })

  test('are given free by a trial whose client left', async () => {
    await using bench = new Bench()
    bench.failTimes(5)
    bench.nowMs = bench.live.retryAtMs('e1')
    const [trial] = bench.open('e1')
    trial![Symbol.dispose]()
    expect(bench.live.isHealthy('e1')).toBe(true)
    expect(bench.live.healthOf('e1')?.circuit).toBe('HALF_OPEN')
  })

  test('let one trial through at a time, also when an older one, overtaken by a failure, is left late', async () => {
    await using bench = new Bench()
    const { live } = bench
    bench.failTimes(5)
    bench.nowMs = live.retryAtMs('e1')
    const [older] = bench.open('e1')
    // A last resort beside it.
    bench.failTimes(1)
    bench.nowMs = live.retryAtMs('e1')
    bench.open('e1')
    expect(live.isHealthy('e1')).toBe(false)
    older![Symbol.dispose]()
    expect(live.isHealthy('e1')).toBe(false)
  })

  test('are closed by a last resort that succeeds before they are due', async () => {
    await using bench = new Bench()
    bench.failTimes(5)
    bench.attempt(planFor('e1'), answered(200))
    expect(bench.live.isHealthy('e1')).toBe(true)
  })

  test('keep their probation and back-off when an answer ends that began before they opened', async () => {
    await using bench = new Bench()
    const { live } = bench
    const [slow] = bench.open('e1')
    bench.failTimes(5)
    bench.nowMs = live.retryAtMs('e1')
    const [trial] = bench.open('e1')
    trial!.observe(answered(200))
    slow!.observe(answered(200))
    slow!.complete(200)
    expect(live.healthOf('e1')).toMatchObject({ circuit: 'CLOSED', consecutiveFailures: 4 })
    bench.failTimes(1)
    expect(live.isHealthy('e1')).toBe(false)
    expect(live.retryAtMs('e1') - bench.nowMs).toBeGreaterThan(15_000)
  })

  test('are not closed by a trial of an earlier opening that is answered late', async () => {
    await using bench = new Bench()
    const { live } = bench
    bench.failTimes(5)
    bench.nowMs = live.retryAtMs('e1')
    const [hanging] = bench.open('e1')
    // A last resort beside it fails, and the circuit opens once more.
    bench.failTimes(1)
    hanging!.observe(answered(200))
    hanging!.complete(200)
    expect(live.isHealthy('e1')).toBe(false)
    expect(live.healthOf('e1')?.circuit).toBe('OPEN')
  })

  test('do not open again, after they closed on probation, for failures of what began before', async () => {
    await using bench = new Bench()
    const { live } = bench
    const slow = bench.open('e1', 'e1')
    bench.failTimes(5)
    bench.nowMs = live.retryAtMs('e1')
    const [trial] = bench.open('e1')
    trial!.observe(answered(200))
    for (const permit of slow) permit.observe(refused)
    expect(live.isHealthy('e1')).toBe(true)
  })

  test('count a time-out only if nothing else came from there since the request was sent', async () => {
    await using bench = new Bench()
    const { live } = bench
    const tooSlow: AttemptResult = { classification: 'TIMEOUT', status: null, retryAfterMs: null, error: null }
    for (let i = 0; i < 20; i++) {
      const [slow, quick] = bench.open('e1', 'e1')
      quick!.observe(answered(200))
      slow!.observe(tooSlow)
      for (const permit of [slow, quick]) permit![Symbol.dispose]()
    }
    expect(live.isHealthy('e1')).toBe(true)
    expect(live.healthOf('e1')?.consecutiveFailures).toBe(0)
    for (let i = 0; i < 5; i++) bench.attempt(planFor('e1'), tooSlow)
    expect(live.isHealthy('e1')).toBe(false)
  })

  test('count a stream that fell silent, whose own beginning is no other answer', async () => {
    await using bench = new Bench()
    for (let i = 0; i < 5; i++) {
      const [stream] = bench.open('e1')
      stream!.observe(answered(200))
      stream!.hear()
      stream!.observe({ classification: 'TIMEOUT', status: 200, retryAfterMs: null, error: null })
      stream![Symbol.dispose]()
    }
    expect(bench.live.isHealthy('e1')).toBe(false)
  })

  test('are closed at an address that is new, and what began at the old one is not held against it', async () => {
    await using bench = new Bench()
    const { live } = bench
    const slow = bench.open('e1', 'e1')
    bench.failTimes(5)
    const moved = endpoint('e1', { maxInFlight: 2, url: 'http://127.0.0.1:10/v1' })
    live.apply(snapshotOf({ deployments: [deployment('dep', { endpoints: [moved] })], routes: [route({ dep: 1 })] }))
    expect(live.isHealthy('e1')).toBe(true)
    for (let i = 0; i < 4; i++) for (const permit of slow) permit.observe(refused)
    expect(live.isHealthy('e1')).toBe(true)
  })

  test.each([
    ['refuses connections', refused],
    ['asks to be left alone for a minute', answered(503, 60_000)],
  ])('stay closed at a new address when the old one %s', async (_, result) => {
    await using bench = new Bench()
    const { live } = bench
    const old = bench.open('e1', 'e1', 'e1', 'e1', 'e1', 'e1')
    const moved = endpoint('e1', { maxInFlight: 2, url: 'http://127.0.0.1:10/v1' })
    live.apply(snapshotOf({ deployments: [deployment('dep', { endpoints: [moved] })], routes: [route({ dep: 1 })] }))
    // What goes on with the configuration that it began with goes to the old one, too.
    for (const permit of [...old, ...bench.open('e1')]) permit.observe(result)
    expect(live.isHealthy('e1')).toBe(true)
    expect(live.healthOf('e1')?.consecutiveFailures ?? 0).toBe(0)
  })

  test('stay open when something else of the deployment changes', async () => {
    await using bench = new Bench()
    bench.failTimes(5)
    const heavier = endpoint('e1', { maxInFlight: 2, weight: 7 })
    bench.live.apply(snapshotOf({ deployments: [deployment('dep', { endpoints: [heavier] })] }))
    expect(bench.live.isHealthy('e1')).toBe(false)
  })

  test.each([400, 404, 409, 413, 422])(
    'do not count an upstream %i: neither as failure nor as success',
    async (status) => {
      await using bench = new Bench()
      bench.failTimes(4)
      bench.attempt(planFor('e1'), answered(status))
      expect(bench.live.isHealthy('e1')).toBe(true)
      bench.failTimes(1)
      expect(bench.live.isHealthy('e1')).toBe(false)
    },
  )

  test('do not count a client that left', async () => {
    await using bench = new Bench()
    for (let i = 0; i < 50; i++) for (const permit of bench.open('e1')) permit[Symbol.dispose]()
    expect(bench.live.isHealthy('e1')).toBe(true)
    expect(bench.live.healthOf('e1')).toBeNull()
  })

  test.each([
    [429, false],
    [503, false],
    [500, true],
  ])('heed the Retry-After of a %i: %s', async (status, isHealthy) => {
    await using bench = new Bench()
    bench.attempt(planFor('e1'), answered(status, 20_000))
    expect(bench.live.isHealthy('e1')).toBe(isHealthy)
    expect(bench.live.retryAtMs('e1')).toBe(isHealthy ? 0 : bench.nowMs + 20_000)
  })

  test('report the last failure in few words', async () => {
    await using bench = new Bench()
    bench.attempt(planFor('e1'), { ...refused, error: 'x'.repeat(5_000) })
    expect(bench.live.healthReport()['e1']?.lastError).toHaveLength(200)
    bench.attempt(planFor('e1'), answered(503))
    expect(bench.live.healthReport()['e1']).toMatchObject({
      lastError: 'status 503',
      consecutiveFailures: 2,
      observedAtMs: bench.nowMs,
    })
  })
})

describe('credentials', () => {
  test.each([
    [401, null, 60_000],
    [403, null, 60_000],
    [429, null, 30_000],
    [429, 5_000, 5_000],
  ])(
    'are benched by a %i with Retry-After %s for %i ms, and the model is not to blame',
    async (status, retryAfterMs, benchedMs) => {
      await using bench = new Bench()
      for (let i = 0; i < 9; i++) bench.attempt(planWith('key-1'), answered(status, retryAfterMs))
      bench.nowMs += 3_600_000
      bench.attempt(planWith('key-1'), answered(200))
      bench.attempt(planWith('key-1'), answered(status, retryAfterMs))
      expect(bench.live.isHealthy('key-1')).toBe(false)
      expect(bench.live.retryAtMs('key-1')).toBe(bench.nowMs + benchedMs)
      expect(bench.live.isHealthy('cloud-model')).toBe(true)
      bench.nowMs += benchedMs
      expect(bench.live.isHealthy('key-1')).toBe(true)
    },
  )

  test('are benched for twice as long each time that they are refused, up to an hour', async () => {
    await using bench = new Bench()
    const minutes: number[] = []
    for (let i = 0; i < 8; i++) {
      bench.attempt(planWith('key-1'), answered(401))
      minutes.push((bench.live.retryAtMs('key-1') - bench.nowMs) / 60_000)
    }
    expect(minutes).toEqual([1, 2, 4, 8, 16, 32, 60, 60])
  })

  test('are benched for a minute by eight refusals that were under way together, in whatever order they come', async () => {
    await using bench = new Bench()
    const together = Array.from({ length: 8 }, () => bench.live.open(planWith('key-1')))
    for (const permit of together.toReversed()) {
      bench.nowMs += 100
      permit.observe(answered(401))
    }
    expect(bench.live.retryAtMs('key-1')).toBe(bench.nowMs - 700 + 60_000)
    bench.nowMs += 60_000
    bench.attempt(planWith('key-1'), answered(401))
    expect(bench.live.retryAtMs('key-1')).toBe(bench.nowMs + 120_000)
  })

  test('that was refused by what began before its bench ended is benched again, but for no longer', async () => {
    await using bench = new Bench()
    const [first, late] = [bench.live.open(planWith('key-1')), bench.live.open(planWith('key-1'))]
    first.observe(answered(401))
    bench.nowMs += 61_000
    late.observe(answered(401))
    expect(bench.live.retryAtMs('key-1')).toBe(bench.nowMs + 60_000)
  })

  test.each([
    ['a bench of its own kind', 429, 200_000],
    ['the bench of a refusal', 401, null],
  ])('with a late 429 that asks for less keep %s', async (_, status, retryAfterMs) => {
    await using bench = new Bench()
    const late = [bench.live.open(planWith('key-1')), bench.live.open(planWith('key-1'))]
    bench.attempt(planWith('key-1'), answered(status, retryAfterMs))
    const untilMs = bench.live.retryAtMs('key-1')
    bench.nowMs += 10
    late[0]!.observe(answered(429, 1_000))
    late[1]!.observe(answered(429, 0))
    expect(bench.live.retryAtMs('key-1')).toBe(untilMs)
    expect(bench.live.isHealthy('key-1')).toBe(false)
  })

  test('that the clock took back to before their bench are benched anew by the next refusal', async () => {
    await using bench = new Bench()
    bench.attempt(planWith('key-1'), answered(401))
    bench.nowMs -= 86_400_000 / 1_000
    expect(bench.live.isHealthy('key-1')).toBe(true)
    bench.attempt(planWith('key-1'), answered(401))
    expect(bench.live.isHealthy('key-1')).toBe(false)
  })

  test('that are the only healthy one leave the blame to the model, also if Retry-After is 0', async () => {
    await using bench = new Bench()
    bench.attempt(planWith('key-2'), answered(401))
    for (let i = 0; i < 5; i++) bench.attempt(planWith('key-1'), answered(429, 0))
    expect(bench.live.isHealthy('cloud-model')).toBe(false)
  })

  test('that are all benched keep the model out until the first of them is due', async () => {
    await using bench = new Bench()
    bench.attempt(planWith('key-1'), answered(429, 2_000))
    bench.attempt(planWith('key-2'), answered(429, 250_000))
    expect(bench.live.isHealthy('cloud-model')).toBe(false)
    bench.nowMs += 2_000
    expect([bench.live.isHealthy('cloud-model'), bench.live.isHealthy('key-1')]).toEqual([true, true])
    expect(bench.live.isHealthy('key-2')).toBe(false)
  })

  test('stay benched when an answer comes that began before', async () => {
    await using bench = new Bench()
    using slow = bench.live.open(planWith('key-1'))
    bench.nowMs += 10
    bench.attempt(planWith('key-1'), answered(429, 200_000))
    slow.observe(answered(200))
    expect(bench.live.isHealthy('key-1')).toBe(false)
  })

  test('that are all benched leave the blame to the model', async () => {
    await using bench = new Bench()
    bench.attempt(planWith('key-1'), answered(401))
    for (let i = 0; i < 5; i++) bench.attempt(planWith('key-2'), answered(401))
    expect(bench.live.isHealthy('cloud-model')).toBe(false)
  })
})

describe('a waiting room', () => {
  test('serves in the order of arrival, at the endpoint that was freed', async () => {
    await using bench = new Bench()
    const permits = bench.open('e1', 'e1', 'e2')
    const waits = [1, 2, 3].map(() => bench.live.wait(waitPlan(), null, Infinity))
    expect(bench.live.waiting('dep')).toBe(3)
    permits[2]![Symbol.dispose]()
    const first = await waits[0]!.result
    expect(first).toMatchObject({ kind: 'granted', plan: { endpoint: { id: 'e2' } } })
    expect([bench.live.inFlight('e2'), bench.live.waiting('dep')]).toEqual([1, 2])
    permits[0]![Symbol.dispose]()
    expect(await waits[1]!.result).toMatchObject({ kind: 'granted', plan: { endpoint: { id: 'e1' } } })
    expect(bench.live.inFlight('e1')).toBe(2)
  })

  test('is full at maxWaiting', async () => {
    await using bench = new Bench()
    bench.open('e1', 'e1', 'e2')
    for (let i = 0; i < 3; i++) bench.live.wait(waitPlan(), null, Infinity)
    expect(await bench.live.wait(waitPlan(), null, Infinity).result).toEqual({ kind: 'full' })
  })

  test('is left at once by a client that goes away, from any place', async () => {
    await using bench = new Bench()
    const permits = bench.open('e1', 'e1', 'e2')
    const waits = [1, 2, 3].map(() => bench.live.wait(waitPlan(), null, Infinity))
    waits[1]!.leave()
    waits[1]!.leave()
    expect(await waits[1]!.result).toEqual({ kind: 'left' })
    expect(bench.live.waiting('dep')).toBe(2)
    permits[0]![Symbol.dispose]()
    permits[1]![Symbol.dispose]()
    expect((await waits[0]!.result).kind).toBe('granted')
    expect((await waits[2]!.result).kind).toBe('granted')
  })

  test('is left after maxWaitMs', async () => {
    await using bench = new Bench()
    bench.open('h1')
    expect(await bench.live.wait(waitPlan('hasty'), null, Infinity).result).toEqual({ kind: 'expired' })
    expect(bench.live.waiting('hasty')).toBe(0)
  })

  test('is left at the end of the request’s own time', async () => {
    await using bench = new Bench()
    bench.open('e1', 'e1', 'e2')
    expect(await bench.live.wait(waitPlan(), null, bench.nowMs + 1).result).toEqual({ kind: 'expired' })
  })

  test('lets nobody overtake those who wait', async () => {
    await using bench = new Bench()
    const [, , last] = bench.open('e1', 'e1', 'e2')
    bench.failTimes(0)
    const wait = bench.live.wait(waitPlan(), null, Infinity)
    expect(bench.live.hasCapacity('e1', 9)).toBe(false)
    last![Symbol.dispose]()
    await wait.result
    expect(bench.live.hasCapacity('e1', 9)).toBe(true)
  })

  test.each([
    [
      'an endpoint',
      [endpoint('e1', { maxInFlight: 2 }), endpoint('e2', { maxInFlight: 1 }), endpoint('e3', { maxInFlight: 1 })],
      'e3',
    ],
    ['the end of a bound', [endpoint('e1', { maxInFlight: 2 }), endpoint('e2')], 'e2'],
  ])('gives %s that is new to those who wait, and to nobody who comes later', async (_, endpoints, expected) => {
    await using bench = new Bench()
    bench.open('e1', 'e1', 'e2')
    const waits = [1, 2, 3].map(() => bench.live.wait(waitPlan(), null, Infinity))
    bench.live.apply(snapshotOf({ deployments: [deployment('dep', { endpoints })] }))
    expect(await waits[0]!.result).toMatchObject({ kind: 'granted', plan: { endpoint: { id: expected } } })
    const added = endpoints.at(-1)!
    expect(bench.live.hasCapacity(added.id, added.maxInFlight)).toBe(added.maxInFlight === null)
    expect(bench.live.waiting('dep')).toBe(added.maxInFlight === null ? 0 : 2)
  })

  test('serves a last resort one after the other while everything is ejected, and sends others away', async () => {
    await using bench = new Bench()
    const [last] = bench.open('h1')
    const [patient, other] = [
      bench.live.wait(waitPlan('hasty', true), null, Infinity),
      bench.live.wait(waitPlan('hasty'), null, Infinity),
    ]
    last!.observe(answered(503, 120_000))
    expect(bench.live.isHealthy('h1')).toBe(false)
    last![Symbol.dispose]()
    expect(await patient.result).toMatchObject({ kind: 'granted', plan: { endpoint: { id: 'h1' } } })
    expect(await other.result).toEqual({ kind: 'unavailable', isEjected: true })
    expect(bench.live.inFlight('h1')).toBe(1)
  })

  test('sends away at once who stands behind a last resort and must not go there', async () => {
    await using bench = new Bench()
    const { live } = bench
    const [last] = bench.open('h1')
    last!.observe(answered(503, 120_000))
    const patient = live.wait(waitPlan('hasty', true), null, Infinity)
    expect(await live.wait(waitPlan('hasty'), null, Infinity).result).toEqual({ kind: 'unavailable', isEjected: true })
    patient.leave()
  })

  test('grants at once where room came in between', async () => {
    await using bench = new Bench()
    expect((await bench.live.wait(waitPlan(), null, Infinity).result).kind).toBe('granted')
    expect(bench.live.totalInFlight).toBe(1)
  })

  test('notices room that comes by time alone', async () => {
    await using bench = new Bench()
    bench.gateways = 2
    bench.open('e1', 'e2')
    const wait = bench.live.wait(waitPlan(), null, Infinity)
    bench.gateways = 1
    expect((await wait.result).kind).toBe('granted')
  })

  test('is emptied when the live state is disposed of', async () => {
    const bench = new Bench()
    bench.open('e1', 'e1', 'e2')
    const wait = bench.live.wait(waitPlan(), null, Infinity)
    await bench[Symbol.asyncDispose]()
    expect(await wait.result).toEqual({ kind: 'left' })
  })

  test('never lets more in than maxInFlight, and loses and invents no permit, whatever comes and goes', async () => {
    const steps = fc.array(fc.constantFrom('come', 'end', 'leave', 'fail'), { maxLength: 120 })
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        await using bench = new Bench()
        const { live } = bench
        const held: Permit[] = []
        const waits: { leave(): void }[] = []
        const come = () => {
          const wait = live.wait(waitPlan(), null, Infinity)
          waits.push(wait)
          void wait.result.then((result) => (result.kind === 'granted' ? held.push(result.permit) : 0))
        }
        for (const step of sequence) {
          if (step === 'come') come()
          if (step === 'leave') waits.shift()?.leave()
          if (step === 'fail') held[0]?.observe(answered(400))
          if (step === 'end' || step === 'fail') held.shift()?.[Symbol.dispose]()
          await Promise.resolve()
          await Promise.resolve()
          expect(live.inFlight('e1')).toBeLessThanOrEqual(2)
          expect(live.inFlight('e2')).toBeLessThanOrEqual(1)
          expect(live.totalInFlight).toBe(held.length)
          expect(live.waiting('dep') === 0 || live.totalInFlight === 3).toBe(true)
        }
        while (held.length > 0) {
          held.shift()![Symbol.dispose]()
          await Promise.resolve()
          await Promise.resolve()
        }
        expect([live.totalInFlight, live.waiting('dep')]).toEqual([0, 0])
      }),
      { numRuns: 60 },
    )
  })
})

describe('what is gone from the snapshot', () => {
  const empty = snapshotOf({})

  test('is forgotten with the second sweep, once nothing is in flight', async () => {
    await using bench = new Bench()
    const { live } = bench
    bench.failTimes(5)
    bench.attempt(planWith('key-1'), answered(401))
    live.recordRequest('route')
    live.rotations.of('route')
    const [long] = bench.open('e2')
    live.apply(empty)
    live.sweep()
    expect(live.isHealthy('e1')).toBe(false)
    live.sweep()
    expect(live.isHealthy('e1')).toBe(true)
    expect(live.inFlight('e2')).toBe(1)
    long![Symbol.dispose]()
    live.sweep()
    live.sweep()
    expect(live.size).toBe(0)
  })

  test('and comes back soon is as it was', async () => {
    await using bench = new Bench()
    bench.failTimes(5)
    bench.live.apply(empty)
    bench.live.sweep()
    bench.live.apply(snapshot)
    bench.live.sweep()
    bench.live.sweep()
    expect(bench.live.isHealthy('e1')).toBe(false)
  })
})

test('budgets are kept per route', async () => {
  await using bench = new Bench()
  while (bench.live.takeRepeat('a')) continue
  expect([bench.live.hasRepeat('a'), bench.live.hasRepeat('b')]).toEqual([false, true])
})

test('what an address answered that a backend has left says nothing of its operations', async () => {
  await using bench = new Bench()
  const before = deploymentOf('dep')
  const moved = endpoint('e1', { url: 'http://127.0.0.1:10/v1' })
  const after = snapshotOf({ deployments: [deployment('dep', { endpoints: [moved] })] })
  bench.live.apply(after)
  bench.live.learnOperationRefused(before, '/v1/messages')
  expect(bench.live.isOperationRefused('dep', '/v1/messages')).toBe(false)
  bench.live.learnOperationRefused(deploymentOf('dep', after), '/v1/messages')
  expect(bench.live.isOperationRefused('dep', '/v1/messages')).toBe(true)
})
