/**
 * Billing can be done from it: what clients and upstreams counted themselves equals the request log, the reports, and the
 * counters for Prometheus, whatever went wrong on the way.
 */
import { expect, test } from 'vitest'
import { usageDimensions } from '../../src/routing/usage/filter.ts'
import { openTestDatabase } from '../support/database.ts'
import { Ledger, type Entry, type Move, type Plan } from '../support/ledger.ts'
import { type Product, startProduct } from '../support/product.ts'
import { readScrape } from '../support/prometheus.ts'
import { seededRandom } from '../support/scenario.ts'
import { addDecimals, type LoggedRequest, readRequestLogs, readUsage, untilNothingPends } from '../support/usage-api.ts'
import { openUpstream, refusingBaseUrl, type Upstream } from '../support/upstream.ts'

const requests = Number(process.env['LEDGER_REQUESTS'] ?? 10_000)
const clients = 48
const seed = Number(process.env['LEDGER_SEED'] ?? 20_261_124)

/** Price of the provider's model, in USD per million tokens. */
const price = { inputPerMillion: '0.15', cachedInputPerMillion: '0.075', outputPerMillion: '0.6' }

interface Keys {
  readonly application: string
  readonly other: string
  readonly restricted: string
}

test(
  'what clients and upstreams counted is what the log, the reports and the metrics say',
  { timeout: 240_000 },
  async () => {
    await using opened = new AsyncDisposableStack()
    const ledger = opened.use(new Ledger(clients))
    const upstream = async (name: string) => {
      const one: Upstream = opened.use(
        await openUpstream({
          name,
          script: (request) => (request.method === 'GET' ? undefined : ledger.reply({ name, models: [] }, request)),
        }),
      )
      return one
    }
    const [blue, green, narrow, paid] = [
      await upstream('blue'),
      await upstream('green'),
      await upstream('narrow'),
      await upstream('paid/mini'),
    ]
    const { url } = opened.use(await openTestDatabase({ migrated: false }))
    const product = opened.use(
      await startProduct({ env: { DATABASE_URL: url, SIGNALBOX_ENCRYPTION_KEY: '5'.repeat(64) } }),
    )
    const keys = await configure(product, { blue, green, narrow, paid })

    const random = seededRandom(seed)
    let left = requests
    const client = async () => {
      while (left-- > 0) await ledger.ask(product.gatewayUrl, planOf(random, keys))
    }
    await Promise.all(Array.from({ length: clients }, client))
    await untilNothingPends(product.graphql)

    const log = await readRequestLogs(product.graphql)
    expectLedger(ledger.entries, log)
    const outcomes = countBy(log, ({ outcome }) => outcome)
    for (const outcome of [
      'OK',
      'OK_BY_FALLBACK',
      'CLIENT_ERROR',
      'DENIED',
      'UPSTREAM_ERROR',
      'CANCELLED',
      'TRUNCATED',
    ])
      expect({ outcome, occurs: (outcomes[outcome] ?? 0) > 0 }).toEqual({ outcome, occurs: true })
    expect(outcomes['GATEWAY_ERROR']).toBeUndefined()
    await expectReports(product, log)
    await expectMetrics(product, log)
  },
)

async function configure(
  { graphql }: Product,
  { blue, green, narrow, paid }: Readonly<Record<'blue' | 'green' | 'narrow' | 'paid', Upstream>>,
): Promise<Keys> {
  const errors = 'userErrors { message code path }'
  const deployment = (input: object) =>
    graphql.change(`mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { ${errors} } }`, {
      input: { enableModelRoute: false, ...input },
    })
  await deployment({ name: 'blue', endpoints: [{ url: blue.baseUrl }] })
  await deployment({ name: 'green', endpoints: [{ url: green.baseUrl }] })
  await deployment({
    name: 'narrow',
    endpoints: [{ url: narrow.baseUrl, maxInFlight: 2 }],
    queue: { maxWaiting: 1, maxWaitMs: 20 },
  })
  await deployment({ name: 'down', endpoints: [{ url: await refusingBaseUrl() }] })
  await graphql.change(`mutation ($input: ProviderCreateInput!) { providerCreate(input: $input) { ${errors} } }`, {
    input: {
      name: 'paid',
      baseUrl: paid.baseUrl,
      secrets: ['secret-of-paid'],
      models: [{ upstreamModel: 'mini', pricing: price }],
    },
  })
  const own = (name: string, weight = 100) => ({ backend: { deployment: name }, weight })
  const mini = { providerModel: { provider: 'paid', model: 'mini' } }
  const routes = [
    { name: 'alone', targets: [own('blue')] },
    { name: 'pair', targets: [own('blue', 3), own('green', 1)] },
    { name: 'safe', targets: [own('green')], fallback: { backends: [mini] } },
    { name: 'burst', targets: [own('narrow')], fallback: { backends: [mini] } },
    { name: 'tight', targets: [own('narrow')] },
    { name: 'broken', targets: [own('down')], fallback: { backends: [mini] } },
    { name: 'bought', targets: [{ backend: mini }] },
    {
      name: 'impatient',
      targets: [own('blue')],
      fallback: { backends: [mini] },
      timeouts: { firstByteMs: 600, answerMs: 600 },
    },
    { name: 'open', targets: [own('green')], access: { policy: 'PUBLIC' } },
    { name: 'closed', targets: [own('green')], access: { policy: 'RESTRICTED' } },
  ]
  for (const input of routes)
    await graphql.change(`mutation ($input: RouteCreateInput!) { routeCreate(input: $input) { ${errors} } }`, { input })
  const { route } = await graphql.request<{ route: { id: string } }>(`{ route(by: { name: "alone" }) { id } }`)
  const key = async (input: object) => {
    const { secret } = await graphql.change<{ secret: string }>(
      `mutation ($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { secret ${errors} } }`,
      { input },
    )
    return secret
  }
  return {
    application: await key({ name: 'application' }),
    other: await key({ name: 'other' }),
    restricted: await key({ name: 'restricted', routeIds: [route.id] }),
  }
}

// ── what is asked ──

function planOf(random: () => number, keys: Keys): Plan {
  const whole = (limit: number) => Math.floor(random() * limit)
  const among = <T>(values: readonly T[]): T => values[whole(values.length)]!
  const inputTokens = 1 + whole(5_000)
  const outputTokens = 1 + whole(900)
  const usage = {
    inputTokens,
    outputTokens,
    cachedInputTokens: whole(inputTokens),
    reasoningTokens: whole(outputTokens),
  }
  const stream = random() < 0.4
  const chat = (model: string) => ({ model, stream, messages: [{ role: 'user', content: 'Count, please.' }] })
  const plan: Plan = {
    path: '/v1/chat/completions',
    key: random() < 0.5 ? keys.application : keys.other,
    body: chat(among(['alone', 'pair', 'safe', 'burst', 'tight', 'broken', 'bought', 'open'])),
    stream,
    moves: [],
    usage,
    leaves: 'never',
  }
  const failing = (): Move =>
    among<Move>([
      { kind: 'status', status: among([429, 500, 502, 503]) },
      { kind: 'reset' },
      { kind: 'cut', events: whole(2) },
    ])
  const kind = random()
  if (kind < 0.4) return { ...plan, moves: [{ kind: 'answer', pauseMs: whole(3) }] }
  if (kind < 0.5)
    return {
      ...plan,
      path: '/v1/embeddings',
      stream: false,
      body: { model: among(['pair', 'bought']), input: 'some text' },
    }
  if (kind < 0.58) return { ...plan, moves: [failing()] }
  if (kind < 0.61) return { ...plan, moves: [failing(), failing(), failing()] }
  if (kind < 0.65) return { ...plan, moves: [{ kind: 'status', status: among([400, 413, 422]) }] }
  if (kind < 0.72) return { ...plan, moves: [{ kind: 'cut', events: 2 + whole(4) }] }
  if (kind < 0.8) return { ...plan, moves: [{ kind: 'hold', events: whole(5) }], leaves: 'held' }
  if (kind < 0.87) return { ...plan, moves: [{ kind: 'answer', pauseMs: 1 }], leaves: random() * 12 }
  if (kind < 0.88) return { ...plan, body: chat('impatient'), moves: [{ kind: 'hold', events: 0 }] }
  return { ...plan, ...refusedPlan(among, chat, keys) }
}

function refusedPlan(
  among: <T>(values: readonly T[]) => T,
  chat: (model: string) => object,
  keys: Keys,
): Partial<Plan> {
  return among<Partial<Plan>>([
    { key: null, body: { ...chat('alone') } },
    { key: null, body: { ...chat('open') } },
    { key: 'sbx_nobody00_knows_this_key_at_all', body: { ...chat('alone') } },
    { key: keys.restricted, body: { ...chat('pair') } },
    { body: { ...chat('closed') } },
    { body: { ...chat('no such model') } },
    { body: '{"model":' },
    { body: { messages: [] } },
    { path: '/v1/no/such/thing' },
    { path: '/v1/models', body: null },
  ])
}

// ── what must be so ──

function expectLedger(entries: readonly Entry[], log: readonly LoggedRequest[]): void {
  const byId = new Map(log.map((one) => [one.id, one]))
  expect(byId.size).toBe(log.length)
  const faults: object[] = []
  for (const entry of entries) {
    if (entry.id === null) {
      // It left so early that nobody saw an id.
      if (!entry.hasLeft) faults.push({ number: entry.number, fault: 'no id' })
      continue
    }
    const logged = byId.get(entry.id)
    const fault = logged ? faultOf(entry, logged) : 'no record'
    if (fault) faults.push({ fault, entry, logged })
    byId.delete(entry.id)
  }
  expect(faults.slice(0, 5)).toEqual([])
  const unseen = entries.filter(({ id }) => id === null).length
  expect(byId.size).toBeLessThanOrEqual(unseen)
  expect([...byId.values()].filter(({ outcome }) => !endsOfHasty.includes(outcome))).toEqual([])
}

/** What the record says wrong; undefined: nothing. */
function faultOf(entry: Entry, logged: LoggedRequest): string | undefined {
  const expected = outcomesOf(entry)
  if (!expected.includes(logged.outcome)) return `outcome ${logged.outcome}, expected ${expected.join(' or ')}`
  if (entry.status !== null && entry.status !== logged.status) return `status ${logged.status}`
  return faultOfAttempts(entry, logged) ?? faultOfTokens(entry, logged)
}

/** Of requests whose client left at any moment: the end of an answer may have been on its way already. */
const endsOfHasty = ['CANCELLED', 'OK', 'OK_BY_FALLBACK', 'UPSTREAM_ERROR']

/** By what the client saw. */
function outcomesOf({ hasLeft, plan, status, isWhole, headers, text }: Entry): string[] {
  if (hasLeft) return plan.leaves === 'held' ? ['CANCELLED'] : endsOfHasty
  const code = codeOf(text)
  if (status === null) return ['TRUNCATED']
  if (status < 400 && (!isWhole || text.includes('event: error'))) return ['TRUNCATED']
  if (status < 400) return [headers['x-signalbox-fallback'] === undefined ? 'OK' : 'OK_BY_FALLBACK']
  if (code === 'invalid_api_key' || code === 'route_not_allowed') return ['DENIED']
  if (code === 'upstream_timeout') return ['TIMEOUT']
  return [status >= 500 || status === 429 ? 'UPSTREAM_ERROR' : 'CLIENT_ERROR']
}

function codeOf(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { error?: { code?: string } }).error?.code
  } catch {
    return undefined
  }
}

function faultOfAttempts(entry: Entry, { attempts, outcome }: LoggedRequest): string | undefined {
  // Nobody listens at `down`: only the gateway knows of those.
  const sent = attempts.filter(({ backendLabel }) => backendLabel !== 'down')
  if (entry.hasLeft && typeof entry.plan.leaves === 'number' && sent.length === entry.arrivals.length + 1) sent.pop()
  const arrivals = withoutRepeats(entry.arrivals, sent.length)
  if (sent.length !== arrivals.length) return `${sent.length} attempts, but ${arrivals.length} arrived`
  for (const [i, { upstream, move }] of arrivals.entries()) {
    const { backendLabel, status, trigger } = sent[i]!
    if (backendLabel !== upstream) return `attempt ${i} at ${backendLabel}, but ${upstream} was asked`
    if (entry.hasLeft) continue
    // On a busy machine even an answer that was sent at once can come too late for `impatient`.
    const endedLate = trigger === 'TIMEOUT' || (outcome === 'TIMEOUT' && i === sent.length - 1)
    if (status === null && endedLate) continue
    const expected = statusOf(move, entry.plan.stream)
    if (expected !== status) return `attempt ${i} has the status ${status}, but ${expected} was sent`
  }
  return undefined
}

/** A used connection that is reset is no attempt: the request is sent to the same place once more, on a new one. */
function withoutRepeats(arrivals: Entry['arrivals'], attempts: number): Entry['arrivals'] {
  const left = [...arrivals]
  for (let i = 0; left.length > attempts && i + 1 < left.length;) {
    const { move, upstream } = left[i]!
    if (move.kind === 'reset' && left[i + 1]!.upstream === upstream) left.splice(i, 1)
    else i++
  }
  return left
}

function statusOf(move: Move, isStream: boolean): number | null {
  if (move.kind === 'status') return move.status
  if (move.kind === 'reset' || (move.kind === 'hold' && !isStream)) return null
  return 200
}

function faultOfTokens(entry: Entry, logged: LoggedRequest): string | undefined {
  const { usage, path } = entry.plan
  const wasServed = logged.outcome === 'OK' || logged.outcome === 'OK_BY_FALLBACK'
  if (!wasServed || path === '/v1/models') {
    const mayCount = logged.outcome === 'TRUNCATED' || logged.outcome === 'CANCELLED'
    return logged.provenance === 'NONE' || (mayCount && logged.provenance === 'ESTIMATED') ? undefined : 'tokens'
  }
  if (entry.hasLeft) return undefined
  const isChat = path === '/v1/chat/completions'
  const expected = {
    provenance: 'REPORTED',
    inputTokens: usage.inputTokens,
    cachedInputTokens: isChat ? usage.cachedInputTokens : 0,
    outputTokens: isChat ? usage.outputTokens : 0,
    reasoningTokens: isChat ? usage.reasoningTokens : 0,
  }
  for (const [name, value] of Object.entries(expected))
    if (logged[name as keyof typeof expected] !== value) return `${name}: not ${value}`
  const cost = logged.attempts.at(-1)?.backendLabel === 'paid/mini' ? costOf(expected) : null
  return cost === logged.cost ? undefined : `cost ${logged.cost}, not ${cost}`
}

function costOf(tokens: { inputTokens: number; cachedInputTokens: number; outputTokens: number }): string {
  const perBillion =
    (tokens.inputTokens - tokens.cachedInputTokens) * 150 + tokens.cachedInputTokens * 75 + tokens.outputTokens * 600
  return addDecimals([(perBillion / 1e9).toFixed(9)])!
}

const columnsOf = {
  OUTCOME: (one: LoggedRequest) => one.outcome,
  OPERATION: (one: LoggedRequest) => one.operation,
}

async function expectReports({ graphql }: Product, log: readonly LoggedRequest[]): Promise<void> {
  const { totals } = await readUsage(graphql)
  expect(totals).toEqual(metricsOf(log))
  const pairs = usageDimensions.flatMap((one, i) => usageDimensions.slice(i + 1).map((other) => [one, other]))
  for (const groupBy of [...usageDimensions.map((one) => [one]), ...pairs]) {
    const report = await readUsage(graphql, { groupBy })
    expect({ groupBy, totals: report.totals }).toEqual({ groupBy, totals })
    expect({ groupBy, rows: sumOf(report.rows.map((row) => row.metrics)) }).toEqual({ groupBy, rows: totals })
  }
  for (const [dimension, valueOf] of Object.entries(columnsOf)) {
    const { rows } = await readUsage(graphql, { groupBy: [dimension as keyof typeof columnsOf] })
    const expected = [...Map.groupBy(log, valueOf)].map(([label, group]) => [label, metricsOf(group)] as const)
    expect(Object.fromEntries(rows.map(({ group, metrics }) => [group.labels[0], metrics]))).toEqual(
      Object.fromEntries(expected),
    )
  }
}

type Metrics = ReturnType<typeof metricsOf>

function metricsOf(log: readonly LoggedRequest[]) {
  const sum = (value: (one: LoggedRequest) => number | null) => log.reduce((all, one) => all + (value(one) ?? 0), 0)
  return {
    requests: log.length,
    attempts: sum((one) => one.attempts.length),
    failures: sum((one) => Number(one.outcome !== 'OK' && one.outcome !== 'OK_BY_FALLBACK')),
    fallbacks: sum((one) => Number(one.outcome === 'OK_BY_FALLBACK')),
    inputTokens: sum((one) => one.inputTokens),
    cachedInputTokens: sum((one) => one.cachedInputTokens),
    outputTokens: sum((one) => one.outputTokens),
    reasoningTokens: sum((one) => one.reasoningTokens),
    estimatedRequests: sum((one) => Number(one.provenance === 'ESTIMATED')),
    cost: addDecimals(log.map(({ cost }) => cost)),
  }
}

function sumOf(rows: readonly Metrics[]): Metrics {
  const { cost: _cost, ...none } = metricsOf([])
  const names = Object.keys(none) as (keyof typeof none)[]
  const counts = names.map((name) => [name, rows.reduce((all, row) => all + row[name], 0)])
  return { ...(Object.fromEntries(counts) as typeof none), cost: addDecimals(rows.map(({ cost }) => cost)) }
}

async function expectMetrics({ apiUrl, adminKey }: Product, log: readonly LoggedRequest[]): Promise<void> {
  const headers = { authorization: `Bearer ${adminKey}` }
  const { sum } = readScrape(await (await fetch(`${apiUrl}/metrics`, { headers })).text())
  const expected = metricsOf(log)
  const attempts = log.flatMap((one) => one.attempts)
  expect({
    requests: sum('signalbox_requests_total'),
    attempts: sum('signalbox_attempts_total'),
    inputTokens: sum('signalbox_tokens_total', { type: 'input' }),
    cachedInputTokens: sum('signalbox_tokens_total', { type: 'cached_input' }),
    outputTokens: sum('signalbox_tokens_total', { type: 'output' }),
    reasoningTokens: sum('signalbox_tokens_total', { type: 'reasoning' }),
    lost: sum('signalbox_spool_lost_records_total'),
    pending: sum('signalbox_spool_pending_records'),
  }).toEqual({
    requests: expected.requests,
    attempts: expected.attempts,
    inputTokens: expected.inputTokens,
    cachedInputTokens: expected.cachedInputTokens,
    outputTokens: expected.outputTokens,
    reasoningTokens: expected.reasoningTokens,
    lost: 0,
    pending: 0,
  })
  expect(sum('signalbox_cost_usd_total')).toBeCloseTo(Number(expected.cost), 6)
  for (const [outcome, count] of Object.entries(countBy(log, (one) => one.outcome)))
    expect([outcome, sum('signalbox_requests_total', { outcome: outcome.toLowerCase() })]).toEqual([outcome, count])
  for (const [backend, count] of Object.entries(countBy(attempts, (one) => one.backendLabel)))
    expect([backend, sum('signalbox_attempts_total', { backend })]).toEqual([backend, count])
  const movedOn = attempts.filter(({ trigger }) => trigger !== null)
  for (const [trigger, count] of Object.entries(countBy(movedOn, (one) => one.trigger!.toLowerCase())))
    expect([trigger, sum('signalbox_attempts_moved_on_total', { trigger })]).toEqual([trigger, count])
}

function countBy<T>(values: readonly T[], keyOf: (value: T) => string): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(values, keyOf)].map(([key, group]) => [key, group.length]))
}
