/** What a thousand limits cost a request, and how much of one limit four gateways use together under uneven load. */
import { startProduct, type Product } from '../../test/support/product.ts'
import { RateGate } from '../../src/gateway/limits/rate-gate.ts'
import { RateHold } from '../../src/gateway/limits/rate-hold.ts'
import { compileSnapshot, emptySnapshot } from '../../src/routing/config/compile.ts'
import type { Route, Snapshot } from '../../src/routing/config/snapshot.ts'
import type { LeaseRequest } from '../../src/routing/limits/lease.ts'
import type { RateLimit } from '../../src/routing/limits/limit.ts'
import { openBenchDatabase } from '../database.ts'
import type { Row } from '../row.ts'
import { median } from '../statistics.ts'
import type { Bench, Section } from './section.ts'

const requestsEach = 200_000
const perMinute = 6_000
const burst = 100

export const limitsSection: Section = {
  name: 'limits',
  about: 'the cost of a thousand limits, and four gateways under uneven load against one of them',
  run: async (bench: Bench): Promise<Row[]> => [await costOfLimits(), await useOfOneLimit(bench)],
}

/** Of the matching, the taking and the settling, without the database. */
async function costOfLimits(): Promise<Row> {
  const none = emptySnapshot
  const thousand = withLimits(1_000)
  using gate = new RateGate({ lease: grantAll, gatewayCount: () => 1, log })
  const rounds: number[] = []
  for (let round = 0; round < 7; round++) {
    const [before, after] = [await microsEach(gate, none), await microsEach(gate, thousand)]
    rounds.push(after - before)
  }
  const micros = median(rounds)
  return {
    what: '1,000 limits, one of which binds',
    unit: 'µs/request',
    values: { signalbox: micros },
    result: micros,
    resultUnit: 'µs more',
    goal: { atMost: 1 },
  }
}

async function microsEach(gate: RateGate, snapshot: Snapshot): Promise<number> {
  const caller = { apiKey: null, user: null }
  const demand = { tokens: 0 }
  const settle = async () => {
    const limits = gate.ofCaller(snapshot, caller, benchRoute)
    const entry = limits && (await gate.enter(limits, demand))
    if (entry instanceof RateHold) entry.settle(0)
  }
  await settle()
  const begunAtMs = performance.now()
  for (let i = 0; i < requestsEach; i++) {
    const limits = gate.ofCaller(snapshot, caller, benchRoute)
    if (!limits) continue
    const entry = gate.enter(limits, demand)
    if (entry instanceof RateHold) entry.settle(0)
    else await entry
  }
  return ((performance.now() - begunAtMs) * 1_000) / requestsEach
}

const benchRoute = { id: 'rte_bench' } as Route

function withLimits(count: number): Snapshot {
  const rateLimits = Array.from({ length: count }, (_, i): RateLimit => {
    const id = i === 0 ? benchRoute.id : `rte_${i}`
    return {
      id: `lim_${i}`,
      subject: { kind: 'ROUTE', id },
      per: [],
      requestsPerMinute: 1e12,
      tokensPerMinute: null,
      inFlight: null,
      burst: 1e12,
      enforcement: 'ENFORCE',
    }
  })
  const nothing = { providers: [], deployments: [], routes: [], users: [], apiKeys: [], budgets: [] }
  const compiled = compileSnapshot({ version: 1, token: '', ...nothing, rateLimits })
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
  return compiled.snapshot
}

function grantAll(asks: readonly LeaseRequest[]) {
  return Promise.resolve(
    asks.map(({ need, spare }) => ({ granted: need + Math.max(spare, requestsEach * 10), left: 1e12 })),
  )
}

const quiet = () => {}
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet }

/** 32 clients at each of four gateways, most of the load at one: what is let through, of what may be. */
async function useOfOneLimit(bench: Bench): Promise<Row> {
  await using opened = new AsyncDisposableStack()
  const database = opened.use(await openBenchDatabase())
  const env = { DATABASE_URL: database.url, SIGNALBOX_ENCRYPTION_KEY: '9'.repeat(64) }
  const first = opened.use(await startProduct({ env }))
  const key = await configure(first, bench.upstreams.ports.small)
  const products = [first]
  for (let i = 0; i < 3; i++) products.push(opened.use(await startProduct({ env })))
  const forMs = bench.isQuick ? 10_000 : 60_000
  const begunAtMs = performance.now()
  const admittedAtMs: number[] = []
  const press = async (product: Product, pauseMs: number) => {
    while (performance.now() - begunAtMs < forMs) {
      if (await isAdmitted(product, key)) admittedAtMs.push(performance.now())
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
  const pauses = [0, 200, 1_000, 3_000]
  await Promise.all(products.flatMap((product, i) => Array.from({ length: 32 }, () => press(product, pauses[i]!))))
  const allowed = burst + (perMinute / 60_000) * forMs
  const share = (100 * admittedAtMs.length) / allowed
  return {
    what: `one limit of ${perMinute} a minute at four gateways, uneven load`,
    unit: '% of what it allows',
    values: { signalbox: share },
    result: share,
    resultUnit: '%',
    goal: { atLeast: 97, atMost: 100.5 },
    note: 'atMost: requests that were let through at the end are counted when they are answered',
  }
}

async function configure({ graphql }: Product, port: number): Promise<string> {
  await graphql.change(
    `mutation ($url: URL!) { deploymentCreate(input: { name: "gpu", upstreamModel: "m", endpoints: [{ url: $url }] }) {
      userErrors { code path message } } }`,
    { url: `http://127.0.0.1:${port}/v1` },
  )
  await graphql.change(
    `mutation { routeCreate(input: { name: "chat", targets: [{ backend: { deployment: "gpu" } }] }) {
      userErrors { code path message } } }`,
  )
  await graphql.change(
    `mutation { rateLimitCreate(input: { subject: { installation: true }, requestsPerMinute: ${perMinute}, burst: ${burst} }) {
      userErrors { code path message } } }`,
  )
  const { secret } = await graphql.change<{ secret: string }>(
    `mutation { apiKeyCreate(input: { name: "bench" }) { secret userErrors { code path message } } }`,
  )
  return secret
}

async function isAdmitted({ gatewayUrl }: Product, key: string): Promise<boolean> {
  const answer = await fetch(`${gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: '{"model":"chat","messages":[{"role":"user","content":"hi"}]}',
  })
  await answer.arrayBuffer()
  return answer.status === 200
}
