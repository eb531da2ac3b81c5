/** What one gateway shows of all: its own live state, joined with what the others reported to the database. */
import { expect, test } from 'vitest'
import { LiveState } from '../../../src/gateway/live/live-state.ts'
import { UpstreamConnections } from '../../../src/gateway/upstream/connections.ts'
import type { BackendHealthReport } from '../../../src/routing/health/backend-health.ts'
import { emptySnapshot } from '../../../src/routing/config/compile.ts'
import { explain } from '../../../src/routing/choose/explain.ts'
import { createLiveReports, inFlightElsewhere } from '../../../src/server/gateways/live-reports.ts'
import { type GatewayRow, listGateways, upsertGateway } from '../../../src/storage/gateway/write.ts'
import { deployment, endpoint, route, seededRandom, snapshotOf } from '../../support/scenario.ts'
import { openTestDatabase } from '../../support/database.ts'
import { Rotation } from '../../../src/routing/choose/rotation.ts'
import { selectTarget } from '../../../src/routing/choose/select-target.ts'

const snapshot = snapshotOf({
  deployments: [
    deployment('a', { endpoints: [endpoint('a-1', { maxInFlight: 4 })] }),
    deployment('b', { endpoints: [endpoint('b-1', { maxInFlight: 4 })] }),
  ],
  routes: [route({ a: 1, b: 1 }, { balancing: 'LEAST_IN_FLIGHT' })],
})

const failingCheck: BackendHealthReport = {
  circuit: 'OPEN',
  cause: 'CHECK',
  consecutiveFailures: 3,
  // Its next check is due, or runs: it is no trial, and lets nothing through.
  retryAtMs: 1,
  ejectedAtMs: 1,
  lastError: 'health check: status 503',
  observedAtMs: 1,
}

/** Another gateway's row, as it comes back from the database. */
async function reported(
  health: Readonly<Record<string, BackendHealthReport>>,
  endpointInFlight: Readonly<Record<string, number>> = {},
): Promise<readonly GatewayRow[]> {
  await using database = await openTestDatabase()
  const at = new Date()
  const report = {
    health,
    endpointInFlight,
    inFlight: 0,
    pendingUsageRecords: 0,
    encryptionKeyIds: [],
    sealingKeyId: '',
  }
  const identity = {
    id: 'other',
    role: 'all' as const,
    build: 'test',
    host: 'test',
    startedAt: at,
    appliedAt: at,
    applied: emptySnapshot,
  }
  await upsertGateway(database.db, { ...identity, ...report })
  return await listGateways(database.db)
}

function openOwn(others: readonly GatewayRow[]) {
  const opened = new AsyncDisposableStack()
  const connections = opened.use(new UpstreamConnections(() => true))
  const live = opened.use(
    new LiveState({
      gatewayCount: () => 2,
      inFlightElsewhere: (id) => inFlightElsewhere(others, id),
      connections,
      log: { info: () => {}, warn: () => {} },
      random: seededRandom(1),
    }),
  )
  live.apply(snapshot)
  const reports = createLiveReports(live, () => others)
  return { live, reports, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

const request = { model: 'model', apiKeyId: null, operation: '/v1/chat/completions' }

test('an endpoint whose check fails on another gateway is unhealthy, also while its next check is due', async () => {
  await using own = openOwn(await reported({ 'a-1': failingCheck }))
  expect(own.reports.health('a-1')).toMatchObject({ circuit: 'OPEN', lastError: 'health check: status 503' })
  expect(own.reports.view.isHealthy('a-1')).toBe(false)
  const { candidates } = explain(snapshot, own.reports.view, request, Date.now())
  expect(candidates.map(({ availability, probability }) => [availability, probability])).toEqual([
    ['UNHEALTHY', 0],
    ['AVAILABLE', 1],
  ])
})

test('a circuit that is due for a trial on another gateway lets a request through there, and so it is shown', async () => {
  await using own = openOwn(await reported({ 'a-1': { ...failingCheck, cause: 'CIRCUIT' } }))
  expect(own.reports.view.isHealthy('a-1')).toBe(true)
})

test('the least busy target is that of all gateways, and explained so', async () => {
  await using own = openOwn(await reported({}, { 'a-1': 3 }))
  const { live, reports } = own
  const question = {
    snapshot,
    route: snapshot.routesByName.get('model')!,
    live,
    operation: request.operation,
    session: null,
  }
  const rotation = new Rotation(1)
  const chosen = Array.from({ length: 6 }, () => selectTarget(question, rotation))
  expect(chosen.map(({ target }) => target?.id)).toEqual(Array.from({ length: 6 }, () => 'tgt-b'))
  expect(chosen.flatMap(({ divergence }) => divergence ?? [])).toEqual(
    Array.from({ length: 3 }, () => ({ targetId: 'tgt-a', reason: 'BALANCING' })),
  )
  const { candidates } = explain(snapshot, reports.view, request, Date.now())
  expect(candidates.map(({ probability }) => probability)).toEqual([0, 1])
})
