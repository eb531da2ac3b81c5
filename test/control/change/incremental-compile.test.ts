import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createApiKey } from '../../../src/control/api-key/create.ts'
import { revokeApiKey } from '../../../src/control/api-key/revoke.ts'
import { updateApiKey } from '../../../src/control/api-key/update.ts'
import { createBudget } from '../../../src/control/budget/create.ts'
import { removeBudget } from '../../../src/control/budget/delete.ts'
import { raiseBudget } from '../../../src/control/budget/raise.ts'
import { updateBudget } from '../../../src/control/budget/update.ts'
import type { Answer, ControlContext } from '../../../src/control/kit/context.ts'
import { createDeployment } from '../../../src/control/deployment/create.ts'
import { removeDeployment } from '../../../src/control/deployment/delete.ts'
import { setDeploymentEndpointState } from '../../../src/control/deployment/endpoint-changes.ts'
import { updateDeployment } from '../../../src/control/deployment/update.ts'
import { createRateLimit } from '../../../src/control/limit/create.ts'
import { removeRateLimit } from '../../../src/control/limit/delete.ts'
import { updateRateLimit } from '../../../src/control/limit/update.ts'
import { createProvider } from '../../../src/control/provider/create.ts'
import { removeProvider } from '../../../src/control/provider/delete.ts'
import { updateProvider } from '../../../src/control/provider/update.ts'
import { createProviderRoute } from '../../../src/control/provider/create-route.ts'
import { createRoute } from '../../../src/control/route/create.ts'
import { removeRoute } from '../../../src/control/route/delete.ts'
import { updateRoute } from '../../../src/control/route/update.ts'
import { setRouteAccess } from '../../../src/control/route/access.ts'
import { setRouteFallback } from '../../../src/control/route/fallback.ts'
import { rollbackRoute } from '../../../src/control/route/rollback.ts'
import {
  addRouteTarget,
  removeRouteTarget,
  replaceRouteTarget,
  setRouteTargets,
} from '../../../src/control/route/targets.ts'
import { setRouteTraffic, setRouteTrafficBulk } from '../../../src/control/route/traffic.ts'
import { createUser } from '../../../src/control/user/create.ts'
import { removeUser } from '../../../src/control/user/delete.ts'
import { updateUser } from '../../../src/control/user/update.ts'
import { compileDelta } from '../../../src/routing/config/compile.ts'
import { subjectKinds } from '../../../src/routing/config/subject-kind.ts'
import type { Snapshot } from '../../../src/routing/config/snapshot.ts'
import { createSnapshotStore } from '../../../src/server/following/snapshot-store.ts'
import { loadChangeOf } from '../../../src/storage/config/load-change.ts'
import { loadDelta } from '../../../src/storage/config/load.ts'
import { administrator as actor, contentOf, expectCompiledWhole, openTestControl } from '../../support/control.ts'

/** What a command is made of: small numbers, which it reads as names of objects that may or may not be there. */
interface Dice {
  readonly a: number
  readonly b: number
  readonly c: number
}

const states = ['ACTIVE', 'DRAINING', 'DISABLED'] as const
const roles = ['ADMIN', 'OPERATOR', 'MEMBER'] as const
const baseUrl = 'http://10.0.0.1/v1'

/** The `n`-th of the ids that are there; one of nothing if there are none. */
function idOf(ids: Iterable<string>, n: number): string {
  const all = [...ids].sort()
  return all[n % Math.max(1, all.length)] ?? 'rte_00000000000000000000000000'
}

const commands: readonly ((control: ControlContext, dice: Dice) => Promise<Answer<unknown>>)[] = [
  (control, { a, b, c }) => {
    const endpoints = Array.from({ length: c % 3 }, (_, i) => ({ url: `${baseUrl}/${i}` }))
    return createDeployment(control, actor, { name: `d${a}`, endpoints, enableModelRoute: b % 2 === 0, secret: 'sk-1' })
  },
  (control, { a, b, c }) =>
    updateDeployment(control, actor, {
      deployment: { name: `d${a}` },
      name: `d${b}`,
      state: states[c % 3],
      upstreamModel: `m${c}`,
      operations: c === 0 ? null : ['/v1/embeddings', `/v1/op${b}`],
      contextTokens: c === 0 ? null : c,
      requestRules: { passHeaders: [`x-${c}`], addStreamUsage: c % 2 === 0 },
    }),
  (control, { a }) => removeDeployment(control, actor, { deployment: { name: `d${a}` } }),
  (control, { a, b }) => {
    const ids = [...control.snapshots.current().backends.values()].flatMap((backend) =>
      backend.kind === 'deployment' ? backend.endpoints.map((endpoint) => endpoint.id) : [],
    )
    return setDeploymentEndpointState(control, actor, { endpointId: idOf(ids, a), state: states[b % 3]! })
  },
  (control, { a, b }) => {
    const models = Array.from({ length: b % 4 }, (_, i) => ({ upstreamModel: `m${i}` }))
    return createProvider(control, actor, { name: `p${a}`, baseUrl, models, secrets: ['sk-1'] })
  },
  (control, { a, b, c }) => {
    const models = Array.from({ length: c % 4 }, (_, i) => ({
      upstreamModel: `m${(i + b) % 4}`,
      operations: a % 2 === 0 ? null : [`/v1/op${c}`],
      contextTokens: c + 1,
    }))
    return updateProvider(control, actor, {
      provider: { name: `p${a}` },
      models,
      state: states[b % 3],
      secrets: [`sk-${c}`],
      requestRules: { passResponseHeaders: [`x-${c}`] },
    })
  },
  (control, { a, b }) => updateProvider(control, actor, { provider: { name: `p${a}` }, name: `p${b}` }),
  (control, { a }) => removeProvider(control, actor, { provider: { name: `p${a}` } }),
  (control, { a, b }) => createProviderRoute(control, actor, { provider: { name: `p${a}` }, name: `r${b}` }),
  (control, { a, b, c }) =>
    createRoute(control, actor, {
      name: `r${a}`,
      targets: [{ backend: backend(b) }, { backend: backend(c), weight: c }],
    }),
  (control, { a, b, c }) =>
    updateRoute(control, actor, {
      route: { name: `r${a}` },
      name: `r${b}`,
      state: states[c % 3],
      affinity: c % 2 === 0 ? 'NONE' : 'SESSION',
      balancing: a % 2 === 0 ? 'WEIGHTED' : 'LEAST_IN_FLIGHT',
      rewritesModel: b % 2 === 0,
      timeouts: { answerMs: c + 1, keepAliveMs: c === 0 ? null : c },
    }),
  (control, { a }) => removeRoute(control, actor, { route: { name: `r${a}` } }),
  (control, { a, b, c }) =>
    setRouteTraffic(control, actor, { route: { name: `r${a}` }, weights: [{ target: backend(b), weight: c }] }),
  (control, { a, b, c }) =>
    setRouteTrafficBulk(control, actor, {
      changes: [a, b].map((n) => ({
        route: { name: `r${n}` },
        weights: [{ target: { id: firstTarget(control, `r${n}`) }, weight: c + 1 }],
      })),
    }),
  (control, { a, b, c }) =>
    setRouteTargets(control, actor, {
      route: { name: `r${a}` },
      targets: [{ backend: backend(b), weight: c }, { backend: backend(c) }],
    }),
  (control, { a, b }) => addRouteTarget(control, actor, { route: { name: `r${a}` }, target: { backend: backend(b) } }),
  (control, { a, b, c }) =>
    replaceRouteTarget(control, actor, { route: { name: `r${a}` }, target: backend(b), backend: backend(c) }),
  (control, { a, b }) => removeRouteTarget(control, actor, { route: { name: `r${a}` }, target: backend(b) }),
  (control, { a, b, c }) =>
    setRouteFallback(control, actor, {
      route: { name: `r${a}` },
      fallback: c === 0 ? null : { backends: [backend(b)] },
    }),
  (control, { a, b, c }) => {
    const { users, apiKeysById } = control.snapshots.current()
    const access = {
      policy: 'RESTRICTED' as const,
      userIds: [
        idOf(
          [...users].map(([id]) => id),
          b,
        ),
      ],
      apiKeyIds: [
        idOf(
          [...apiKeysById].map(([id]) => id),
          c,
        ),
      ],
    }
    return setRouteAccess(control, actor, { route: { name: `r${a}` }, access: c === 0 ? { policy: 'PUBLIC' } : access })
  },
  (control, { a, b }) => rollbackRoute(control, actor, { route: { name: `r${a}` }, toRevision: b }),
  (control, { a, b }) => createUser(control, actor, { name: `u${a}`, role: roles[b % 3]! }),
  (control, { a, b, c }) =>
    updateUser(control, actor, { id: user(control, a), role: roles[b % 3], state: states[c % 3] }),
  (control, { a }) => removeUser(control, actor, { id: user(control, a) }),
  (control, { a, b, c }) => {
    const routeIds = c % 2 === 0 ? null : [route(control, b)]
    return createApiKey(control, actor, { name: 'k', ownerId: user(control, a), routeIds })
  },
  (control, { a, b, c }) =>
    updateApiKey(control, actor, { id: apiKey(control, a), routeIds: c % 2 === 0 ? null : [route(control, b)] }),
  (control, { a }) => revokeApiKey(control, actor, { id: apiKey(control, a) }),
  (control, { a, b, c }) =>
    createRateLimit(control, actor, { subject: subject(control, a, b), requestsPerMinute: c, inFlight: 1 }),
  (control, { a, b }) => updateRateLimit(control, actor, { id: rateLimit(control, a), tokensPerMinute: b }),
  (control, { a }) => removeRateLimit(control, actor, { id: rateLimit(control, a) }),
  (control, { a, b, c }) =>
    createBudget(control, actor, { subject: subject(control, a, b), amount: String(c), unpricedReserve: '0.10' }),
  (control, { a, b, c }) =>
    updateBudget(control, actor, {
      id: budget(control, a),
      amount: `${b}.50`,
      warnAt: [c / 4],
      timeZone: 'Asia/Tokyo',
    }),
  (control, { a, b }) => raiseBudget(control, actor, { id: budget(control, a), amount: String(b) }),
  (control, { a }) => removeBudget(control, actor, { id: budget(control, a) }),
]

function backend(n: number) {
  return n % 2 === 0 ? { deployment: `d${n}` } : { providerModel: { provider: `p${n}`, model: `m${n % 4}` } }
}

function firstTarget(control: ControlContext, name: string): string {
  return control.snapshots.current().routesByName.get(name)?.targets[0]?.id ?? 'tgt_00000000000000000000000000'
}

function user(control: ControlContext, n: number): string {
  return idOf(
    [...control.snapshots.current().users].map(([id]) => id),
    n,
  )
}

function apiKey(control: ControlContext, n: number): string {
  return idOf(
    [...control.snapshots.current().apiKeysById].map(([id]) => id),
    n,
  )
}

function rateLimit(control: ControlContext, n: number): string {
  return idOf(
    [...control.snapshots.current().limits.rateLimits].map(([id]) => id),
    n,
  )
}

function budget(control: ControlContext, n: number): string {
  return idOf(
    [...control.snapshots.current().limits.budgets].map(([id]) => id),
    n,
  )
}

/** Of each kind of subject, or the installation. */
function subject(control: ControlContext, kind: number, n: number) {
  const { backends, providers } = control.snapshots.current()
  const ids = [
    () =>
      idOf(
        [...backends].map(([id]) => id),
        n,
      ),
    () =>
      idOf(
        [...providers].map(([id]) => id),
        n,
      ),
    () => user(control, n),
    () => apiKey(control, n),
    () => route(control, n),
  ]
  return n === 4 ? { installation: true } : { id: ids[kind]!() }
}

function route(control: ControlContext, n: number): string {
  return idOf(
    [...control.snapshots.current().routesById].map(([id]) => id),
    n,
  )
}

const small = fc.integer({ min: 0, max: 4 })
const step = fc.record({
  command: fc.nat({ max: commands.length - 1 }),
  a: small,
  b: small,
  c: small,
  process: fc.nat({ max: 1 }),
})

/** What most commands need to find something. */
async function prepare(control: ControlContext): Promise<void> {
  for (const n of [0, 2, 4]) await commands[0]!(control, { a: n, b: n / 2, c: 2 })
  for (const n of [1, 3]) await commands[4]!(control, { a: n, b: 3, c: 0 })
  for (const n of [0, 1, 2]) await createUser(control, actor, { name: `u${n}`, role: roles[n]! })
  for (const n of [0, 1]) await createRoute(control, actor, { name: `r${n}`, targets: [{ backend: backend(n) }] })
  for (const n of [0, 1]) await createApiKey(control, actor, { name: 'k', ownerId: user(control, n) })
}

test('whatever is done, by whichever process: what is compiled step by step equals the whole compiled anew', async () => {
  const done = { ok: 0, refused: 0 }
  let loadedAtOnce = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      await using opened = await openTestControl()
      // Neither process follows the other: each sees the other's changes only when it makes one itself.
      const processes = [opened, { ...opened, snapshots: createSnapshotStore() }] as const
      await prepare(opened)
      const early: Snapshot = opened.snapshots.current()
      let latest: ControlContext = opened
      for (const { command, process, ...dice } of steps) {
        const control = processes[process]!
        const before = control.snapshots.current()
        const answer = await commands[command]!(control, dice)
        done[answer.ok ? 'ok' : 'refused']++
        if (control.snapshots.current().version > before.version) latest = control
        if (await isLoadedAtOnce(before, latest)) loadedAtOnce++
      }
      await expectCompiledWhole(latest)
      await expectFollowed(early, latest)
    }),
    { numRuns: 12 },
  )
  // Else this test would prove nothing.
  expect(done.ok).toBeGreaterThan(50)
  expect(done.refused).toBeGreaterThan(50)
  expect(loadedAtOnce).toBeGreaterThan(50)
}, 120_000)

/** Whether a change was read in one statement a kind; what is read so has to be what the careful way reads. */
async function isLoadedAtOnce(base: Snapshot, { db, box }: ControlContext): Promise<boolean> {
  const whole = await loadDelta(db, box, base)
  const { version: _version, token: _token, ...objects } = whole!.configuration
  const found = subjectKinds.filter((kind) => objects[`${kind}s`].length > 0)
  for (const kind of subjectKinds) {
    const some = await loadChangeOf(db, box, base, [kind])
    expect(some ?? whole).toEqual(whole)
  }
  const atOnce = await loadChangeOf(db, box, base, found)
  expect(atOnce ?? whole).toEqual(whole)
  return atOnce !== undefined
}

/** A gateway that has slept since `early` catches up in one step. */
async function expectFollowed(early: Snapshot, { db, box, snapshots }: ControlContext): Promise<void> {
  const delta = await loadDelta(db, box, early)
  const followed = compileDelta(early, delta!)
  if (!followed.ok) throw new Error(JSON.stringify(followed.problems))
  expect(contentOf(followed.snapshot)).toEqual(contentOf(snapshots.current()))
}
