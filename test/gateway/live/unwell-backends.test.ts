/**
 * Whatever a backend suffers from: its health, what `routeExplain` says, the divergence and the log agree, and they say what
 * docs/health.md says.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type {
  Configuration,
  DeploymentConfiguration,
  ProviderConfiguration,
} from '../../../src/routing/config/configuration.ts'
import { explain } from '../../../src/routing/choose/explain.ts'
import { matchRoute } from '../../../src/routing/access/match-route.ts'
import {
  divergenceReasons,
  type DivergenceReason,
  type TargetAvailability,
} from '../../../src/routing/config/vocabulary.ts'
import type { Reply } from '../../support/exchange.ts'
import { hangUp, status } from '../../support/replies.ts'
import { until } from '../../support/until.ts'
import { openUpstream, type Upstream } from '../../support/upstream.ts'
import {
  compile,
  deployment,
  openTestGateway,
  provider,
  route,
  type RouteSettings,
  type TestGateway,
} from '../support/open-test-gateway.ts'

interface Situation {
  /** The first cell of its row in docs/health.md. */
  readonly name: string
  readonly deployment?: Partial<DeploymentConfiguration> & { readonly maxInFlight?: number }
  /** The backend is a provider's model instead. */
  readonly provider?: Partial<ProviderConfiguration>
  readonly weight?: number
  readonly route?: RouteSettings
  readonly path?: string
  /** Of the unwell one, to a POST; default: an answer. */
  readonly reply?: () => Reply | undefined
  /** To its check. */
  readonly check?: Reply
  /** What leads to it. */
  readonly bring?: (bench: Bench) => Promise<unknown>
  readonly ask?: (bench: Bench) => Promise<unknown>
}

const path = '/chat/completions'
const onlyEmbeddings = { operations: ['/v1/embeddings'] }
const missing = () => status(404, { detail: 'Not Found' })
const checked = {
  healthCheck: { path: '/health', intervalMs: 50, timeoutMs: 1_000, unhealthyThreshold: 1, healthyThreshold: 1 },
}

function inState(state: 'DRAINING' | 'DISABLED') {
  return { endpoints: [{ id: 'end_sick_0', url: 'http://127.0.0.1:9/v1', weight: 1, maxInFlight: null, state }] }
}

const situations: readonly Situation[] = [
  { name: 'an endpoint breaks a connection once', reply: hangUp },
  { name: 'it did so five times in a row', reply: hangUp, bring: (bench) => bench.untilOut() },
  { name: 'its active check fails', check: status(503), deployment: checked, bring: (bench) => bench.untilOut() },
  { name: 'it answers 500 once', reply: () => status(500) },
  {
    name: 'it answers 429 with `Retry-After`',
    reply: () => status(429, undefined, { 'retry-after': '60' }),
    bring: (bench) => bench.untilOut(),
  },
  { name: 'its only credential is refused', provider: {}, reply: () => status(401) },
  {
    name: 'that happened five times in a row',
    provider: {},
    reply: () => status(401),
    bring: (bench) => bench.untilOut(),
  },
  {
    name: 'it does not know the model',
    reply: () => status(404, { error: { message: 'The model `x` does not exist', code: 'model_not_found' } }),
  },
  { name: 'it is stated not to serve the operation', deployment: onlyEmbeddings },
  { name: 'its engine is known not to serve it', deployment: { engine: 'TGI' }, path: '/embeddings' },
  { name: 'it answered that it has no such path', reply: missing, bring: (bench) => bench.ask(2) },
  {
    name: 'all its endpoints are full',
    deployment: { maxInFlight: 1 },
    bring: async (bench) => bench.hold(),
  },
  { name: 'it is drained', deployment: { state: 'DRAINING' } },
  { name: 'it is disabled', deployment: { state: 'DISABLED' } },
  { name: 'its provider is drained', provider: { state: 'DRAINING' } },
  { name: 'its provider is disabled', provider: { state: 'DISABLED' } },
  { name: 'all its endpoints are drained', deployment: inState('DRAINING') },
  { name: 'all its endpoints are disabled', deployment: inState('DISABLED') },
  { name: 'it has no endpoint', deployment: { endpoints: [] } },
  { name: 'its weight is 0', weight: 0 },
  {
    name: 'it is well, and a session is kept elsewhere',
    route: { affinity: 'SESSION' },
    bring: (bench) => bench.keepAtTheOther(),
    ask: (bench) => bench.ask(4, { user: bench.user }),
  },
  {
    name: 'it is well, and busier than another',
    route: { balancing: 'LEAST_IN_FLIGHT' },
    bring: async (bench) => bench.hold(),
  },
]

class Bench {
  user = ''
  readonly #situation: Situation
  readonly #configuration: Partial<Configuration>
  readonly #gateway: TestGateway
  readonly #sick: Upstream

  constructor(situation: Situation, configuration: Partial<Configuration>, gateway: TestGateway, sick: Upstream) {
    this.#situation = situation
    this.#configuration = configuration
    this.#gateway = gateway
    this.#sick = sick
  }

  /** The id that its circuit is kept under. */
  get #place(): string {
    return this.#situation.provider ? 'pmd_sick' : 'end_sick_0'
  }

  async ask(times: number, rest: object = {}): Promise<void> {
    for (let i = 0; i < times; i++) {
      const body = { model: 'chat', messages: [], input: 'x', ...rest }
      const answer = await this.#gateway.post(this.#situation.path ?? path, body)
      await answer.text()
      if (answer.status !== 200) throw new Error(`the other one did not serve: ${answer.status}`)
    }
  }

  untilOut() {
    return until(async () => {
      if (this.#gateway.gateway.live.healthOf(this.#place)?.circuit === 'OPEN') return true
      await this.ask(1)
      return false
    })
  }

  /** One request is in flight at it, as one of another route would be. */
  hold(): void {
    const snapshot = compile(this.#configuration)
    const backend = snapshot.backends.get('dep_sick')!
    if (backend.kind !== 'deployment') throw new Error('no deployment')
    const { live } = this.#gateway.gateway
    live.open({
      kind: 'attempt',
      target: null,
      backend,
      endpoint: backend.endpoints[0]!,
      credential: null,
      isFallback: false,
      isRepeat: false,
      divergence: null,
    })
  }

  async keepAtTheOther(): Promise<void> {
    for (const user of ['a', 'b']) {
      const before = this.#sick.requests.length
      await this.ask(1, { user })
      if (this.#sick.requests.length === before) this.user = user
    }
  }

  /** What each of the four says, of the situation as it is and of four requests more. */
  async observe() {
    const { gateway, records, traffic } = this.#gateway
    const snapshot = compile(this.#configuration)
    const operation = `/v1${this.#situation.path ?? path}`
    const told = explain(snapshot, gateway.live, { model: 'chat', apiKeyId: 'key_test', operation }, Date.now())
    const target = matchRoute(snapshot, 'chat')!.targets[0]!.id
    const candidate = told.candidates.find(({ targetId }) => targetId === target)!
    const [recorded, counted] = [records.length, traffic.length]
    await (this.#situation.ask?.(this) ?? this.ask(4))
    const attempts = records.slice(recorded).flatMap((record) => record.attempts)
    const health = gateway.live.healthOf(this.#place)
    return {
      circuit: health?.circuit ?? 'CLOSED',
      availability: candidate.availability,
      probability: candidate.probability,
      divergence: traffic
        .slice(counted)
        .flatMap(({ end }) => (end?.divergence?.targetId === target ? [end.divergence.reason] : [])),
      triggers: attempts.flatMap((attempt) => (attempt.targetId === target ? [attempt.trigger] : [])),
    }
  }
}

const divergenceOf: Readonly<Partial<Record<TargetAvailability, DivergenceReason>>> = {
  NOT_SERVING: 'NOT_SERVING',
  NO_ENDPOINT: 'NOT_SERVING',
  UNHEALTHY: 'UNHEALTHY',
  SATURATED: 'SATURATED',
  OPERATION_NOT_SERVED: 'OPERATION_NOT_SERVED',
}

const page = await readFile(join(import.meta.dirname, '../../../docs/health.md'), 'utf8')

/** Of the words in each cell of a row behind its name, those that are code. */
function documented(name: string): readonly (readonly string[])[] {
  const row = page.split('\n').find((line) => line.startsWith(`| ${name} |`))
  if (!row) throw new Error(`docs/health.md has no row for "${name}"`)
  const cells = row.slice(`| ${name} |`.length).split('|').slice(0, -1)
  return cells.map((cell) => [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, word]) => word!))
}

test.each(situations)('of a backend all say the same when $name', async (situation) => {
  await using opened = new AsyncDisposableStack()
  const sick = opened.use(
    await openUpstream({
      script: ({ method }) => (method === 'GET' ? (situation.check ?? status(200)) : situation.reply?.()),
    }),
  )
  const well = opened.use(await openUpstream())
  const configuration: Partial<Configuration> = {
    deployments: [
      ...(situation.provider ? [] : [deployment('sick', [sick.baseUrl], situation.deployment)]),
      deployment('well', [well.baseUrl]),
    ],
    providers: situation.provider ? [provider('sick', sick.baseUrl, situation.provider)] : [],
    routes: [
      route(
        'chat',
        [[situation.provider ? 'pmd_sick' : 'dep_sick', situation.weight ?? 100], 'dep_well'],
        situation.route,
      ),
    ],
  }
  const gateway = opened.use(await openTestGateway(configuration))
  const bench = new Bench(situation, configuration, gateway, sick)
  await situation.bring?.(bench)
  const seen = await bench.observe()

  // They agree with one another.
  const isLeftOut = seen.availability !== 'AVAILABLE'
  const reason = divergenceOf[seen.availability]
  expect(seen.circuit === 'OPEN').toBe(seen.availability === 'UNHEALTHY')
  expect(seen.probability > 0).toBe(!isLeftOut && situation.route?.balancing === undefined)
  expect(new Set(seen.divergence).size).toBeLessThanOrEqual(1)
  expect(isLeftOut ? new Set(seen.divergence) : null).toEqual(isLeftOut ? new Set(reason ? [reason] : []) : null)
  expect(isLeftOut ? seen.triggers : []).toEqual([])

  // And with the docs.
  const [circuit, availability, divergence, log] = documented(situation.name)
  expect(circuit).toContain(seen.circuit)
  expect(availability).toContain(seen.availability)
  expect(divergence!.filter((word) => divergenceReasons.includes(word as DivergenceReason))).toEqual(
    expect.arrayContaining([...new Set(seen.divergence)]) as string[],
  )
  expect(seen.divergence.length === 0).toBe(!divergence || divergence.length === 0)
  for (const trigger of seen.triggers) expect([...log!, null]).toContain(trigger)
})
