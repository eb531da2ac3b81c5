/** The API alone, over real HTTP, on a database of its own: without a gateway, and with live state as the test says. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createApiKey } from '../../../src/control/api-key/create.ts'
import { ensureFirstAdministrator } from '../../../src/control/user/first-administrator.ts'
import { createUser } from '../../../src/control/user/create.ts'
import { createGraphQLHandler } from '../../../src/graphql/transport/handler.ts'
import { createCostBudget } from '../../../src/graphql/transport/cost-budget.ts'
import type { OperationReport } from '../../../src/graphql/transport/operation-report.ts'
import type { LivePorts } from '../../../src/graphql/kit/ports.ts'
import type { TrustedDocuments } from '../../../src/graphql/transport/trusted-documents.ts'
import type { RouteTrafficReport } from '../../../src/routing/traffic/window.ts'
import type { BackendHealthReport } from '../../../src/routing/health/backend-health.ts'
import type { OperationalProblem } from '../../../src/routing/problems/operational-problem.ts'
import type { UsageRecord } from '../../../src/routing/usage/record.ts'
import type { ApiKeyScope, UserRole } from '../../../src/routing/config/vocabulary.ts'
import type { SnapshotStore } from '../../../src/server/following/snapshot-store.ts'
import { administrator, openTestControl, type TestControl, valueOf } from '../../support/control.ts'
import { createGraphqlClient, type GraphqlClient } from '../../support/graphql-client.ts'

export interface TestApi extends AsyncDisposable {
  readonly url: string
  readonly adminKey: string
  /** As an administrator with all scopes. */
  readonly graphql: GraphqlClient
  readonly control: TestControl
  readonly live: TestLive
  /** What was logged as an error. */
  readonly faults: readonly object[]
  /** What operators were told of each operation. */
  readonly reports: readonly OperationReport[]
  /** SQL statements since `counting` began. */
  readonly statements: string[]
  /** A new user's key. */
  makeKey(role: UserRole, scopes: readonly ApiKeyScope[]): Promise<{ key: string; apiKeyId: string; userId: string }>
}

/** The live state, as gateways would have reported it. */
export interface TestLive {
  readonly health: Map<string, BackendHealthReport>
  readonly inFlight: Map<string, number>
  /** Subscriptions to traffic that are open. */
  readonly watchers: Set<(report: RouteTrafficReport) => void>
  /** Subscriptions to requests that are open. */
  readonly requestListeners: Set<(record: UsageRecord) => void>
  /** What is wrong from now on. */
  tellProblems(problems: readonly OperationalProblem[]): void
  /** Listeners to snapshots. */
  readonly snapshotListeners: () => number
}

const adminKey = 'administrator-of-a-test'

/** `trusted`: no others are run. `costPerMinute`: 0, no limit. `nowMs` is the clock of that limit. */
export async function openTestApi({
  costPerMinute = 0,
  nowMs = () => performance.now(),
  trusted = undefined as TrustedDocuments | undefined,
} = {}): Promise<TestApi> {
  const statements: string[] = []
  const control = await openTestControl({ onStatement: ({ sql }) => statements.push(sql) })
  await ensureFirstAdministrator(control, adminKey)
  const { ports, live } = createTestLive(control.snapshots)
  const faults: object[] = []
  const log = { debug: () => {}, warn: () => {}, error: (fields: object) => void faults.push(fields) }
  const reports: OperationReport[] = []
  const limits = {
    budget: createCostBudget(costPerMinute, nowMs),
    report: (report: OperationReport) => void reports.push(report),
  }
  const cursorKey = randomBytes(32)
  const handler = createGraphQLHandler({
    control,
    reads: control,
    live: ports,
    log,
    limits,
    trusted,
    cursorKey: () => cursorKey,
  })
  const server = createServer((request, response) => handler.handle(request, response))
  server.on('upgrade', (request, socket, head) => handler.upgrade(request, socket, head))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    adminKey,
    graphql: createGraphqlClient(url, adminKey),
    control,
    live,
    faults,
    reports,
    statements,
    async makeKey(role, scopes) {
      const name = `user-${randomBytes(6).toString('hex')}`
      const userId = valueOf(await createUser(control, administrator, { name, role }))
      const made = valueOf(await createApiKey(control, administrator, { name, ownerId: userId, scopes }))
      return { key: made.secret!, apiKeyId: made.apiKeyId, userId }
    },
    async [Symbol.asyncDispose]() {
      await handler[Symbol.asyncDispose]()
      server.closeAllConnections()
      server.close()
      await control[Symbol.asyncDispose]()
    },
  }
}

function createTestLive(store: SnapshotStore): { ports: LivePorts; live: TestLive } {
  const health = new Map<string, BackendHealthReport>()
  const inFlight = new Map<string, number>()
  const watchers = new Set<(report: RouteTrafficReport) => void>()
  const requestListeners = new Set<(record: UsageRecord) => void>()
  let problems: readonly OperationalProblem[] = []
  const problemListeners = new Set<() => void>()
  let listeners = 0
  const read = (routeId: string, windowMs: number): RouteTrafficReport => ({
    routeId,
    revision: store.current().routesById.get(routeId)?.revision ?? 1,
    windowMs,
    atMs: Date.now(),
    requests: 0,
    inFlight: 0,
    fallbackShare: 0,
    targets: [],
    divergence: [],
    gateways: 1,
  })
  return {
    live: {
      health,
      inFlight,
      watchers,
      requestListeners,
      snapshotListeners: () => listeners,
      tellProblems(list) {
        problems = list
        for (const tell of problemListeners) tell()
      },
    },
    ports: {
      productVersion: '1.2.3-test',
      gatewayId: null,
      view: {
        isHealthy: (id) => health.get(id)?.circuit !== 'OPEN',
        hasCapacity: (id, maxInFlight) => maxInFlight === null || (inFlight.get(id) ?? 0) < maxInFlight,
        waiting: () => 0,
        inFlight: (id) => inFlight.get(id) ?? 0,
        inFlightEverywhere: (id) => inFlight.get(id) ?? 0,
        isOperationRefused: () => false,
        retryAtMs: (id) => health.get(id)?.retryAtMs ?? 0,
        ejectedAtMs: () => 0,
      },
      health: (id) => health.get(id) ?? null,
      traffic: {
        read: (routeId, windowMs) => Promise.resolve(read(routeId, windowMs)),
        watch(routeId, { windowMs }, listener) {
          watchers.add(listener)
          listener(read(routeId, windowMs))
          return () => watchers.delete(listener)
        },
      },
      problems: {
        read: () => Promise.resolve({ atMs: Date.now(), problems }),
        watch(listener) {
          const tell = () => listener({ atMs: Date.now(), problems })
          problemListeners.add(tell)
          tell()
          return () => problemListeners.delete(tell)
        },
      },
      onRequest(listener) {
        requestListeners.add(listener)
        return () => requestListeners.delete(listener)
      },
      onSnapshot(listener) {
        listeners++
        const unsubscribe = store.subscribe(listener)
        return () => {
          listeners--
          unsubscribe()
        }
      },
    },
  }
}
