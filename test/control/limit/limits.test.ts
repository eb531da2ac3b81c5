import { expect, test } from 'vitest'
import { createApiKey } from '../../../src/control/api-key/create.ts'
import { revokeApiKey } from '../../../src/control/api-key/revoke.ts'
import { createBudget } from '../../../src/control/budget/create.ts'
import { removeBudget } from '../../../src/control/budget/delete.ts'
import { raiseBudget } from '../../../src/control/budget/raise.ts'
import { updateBudget } from '../../../src/control/budget/update.ts'
import type { Answer, ControlContext } from '../../../src/control/kit/context.ts'
import { createDeployment } from '../../../src/control/deployment/create.ts'
import { removeDeployment } from '../../../src/control/deployment/delete.ts'
import { createRateLimit } from '../../../src/control/limit/create.ts'
import { removeRateLimit } from '../../../src/control/limit/delete.ts'
import { updateRateLimit } from '../../../src/control/limit/update.ts'
import { createProvider } from '../../../src/control/provider/create.ts'
import { removeProvider } from '../../../src/control/provider/delete.ts'
import { updateProvider } from '../../../src/control/provider/update.ts'
import { removeProviderModel } from '../../../src/control/provider/parts.ts'
import { createRoute } from '../../../src/control/route/create.ts'
import { removeRoute } from '../../../src/control/route/delete.ts'
import { createUser } from '../../../src/control/user/create.ts'
import { removeUser } from '../../../src/control/user/delete.ts'
import { periodAt } from '../../../src/routing/limits/budget-period.ts'
import type { LimitDimension } from '../../../src/routing/limits/limit.ts'
import {
  administrator as actor,
  expectCompiledWhole,
  openTestControl,
  refusalOf,
  valueOf,
} from '../../support/control.ts'

const everything = { installation: true }

/** The code and the place of each refusal. */
function faultsOf(answer: Answer<unknown>): string[] {
  if (answer.ok) throw new Error(`accepted: ${JSON.stringify(answer.value)}`)
  return answer.refusals.map(({ code, path }) => `${code} ${path?.join('.')}`).sort()
}

/** Action and changed object of the audit entries, in their order. */
async function auditOf({ db }: ControlContext, subjectId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('audit_entry')
    .select(['action', 'changes'])
    .where('subject_id', '=', subjectId)
    .orderBy('position')
    .execute()
  return rows.map(({ action, changes }) => {
    const isGone = changes.length > 0 && changes.every(({ after }) => after === null)
    return isGone ? `${action}: gone` : action
  })
}

interface Subjects {
  readonly userId: string
  readonly apiKeyId: string
  readonly routeId: string
  readonly providerId: string
  readonly modelIds: readonly string[]
  readonly deploymentId: string
}

async function prepare(control: ControlContext): Promise<Subjects> {
  const userId = valueOf(await createUser(control, actor, { name: 'ada' }))
  const { apiKeyId } = valueOf(await createApiKey(control, actor, { name: 'k', ownerId: userId }))
  const models = [{ upstreamModel: 'a' }, { upstreamModel: 'b' }]
  const providerId = valueOf(
    await createProvider(control, actor, { name: 'p', baseUrl: 'http://10.0.0.1/v1', models, secrets: ['sk-1'] }),
  )
  const deploymentId = valueOf(
    await createDeployment(control, actor, {
      name: 'd',
      endpoints: [{ url: 'http://10.0.0.2/v1' }],
      enableModelRoute: true,
    }),
  ).deploymentId
  const routeId = valueOf(await createRoute(control, actor, { name: 'r', targets: [{ backend: { deployment: 'd' } }] }))
  const modelIds = control.snapshots.current().providers.get(providerId)!.modelIds
  return { userId, apiKeyId, routeId, providerId, modelIds, deploymentId }
}

test('a rate limit is made, changed and deleted, with its revisions, its audit entries and its place in the snapshot', async () => {
  await using control = await openTestControl()
  const { apiKeyId } = await prepare(control)
  const limits = () => control.snapshots.current().limits
  const id = valueOf(
    await createRateLimit(control, actor, { subject: { id: apiKeyId }, requestsPerMinute: 60, per: ['ROUTE'] }),
  )
  const made = {
    id,
    subject: { kind: 'API_KEY', id: apiKeyId },
    per: ['ROUTE'],
    requestsPerMinute: 60,
    tokensPerMinute: null,
    inFlight: null,
    burst: null,
    enforcement: 'ENFORCE',
  }
  expect(limits().rateLimitsBySubject.get(apiKeyId)).toEqual([made])

  valueOf(await updateRateLimit(control, actor, { id, burst: 5, inFlight: 2, enforcement: 'OBSERVE' }))
  expect(limits().rateLimits.get(id)).toEqual({ ...made, burst: 5, inFlight: 2, enforcement: 'OBSERVE' })
  valueOf(await updateRateLimit(control, actor, { id, requestsPerMinute: null, burst: null }))
  expect(limits().rateLimits.get(id)).toEqual({
    ...made,
    requestsPerMinute: null,
    inFlight: 2,
    enforcement: 'OBSERVE',
  })
  expect(refusalOf(await updateRateLimit(control, actor, { id, burst: 1, expectedRevision: 2 }))).toMatchObject({
    code: 'REVISION_CONFLICT',
    path: ['input', 'expectedRevision'],
    actualRevision: 3,
  })
  // What changes nothing makes no version.
  const { version } = control.snapshots.current()
  valueOf(await updateRateLimit(control, actor, { id, inFlight: 2 }))
  expect(control.snapshots.current().version).toBe(version)

  valueOf(await removeRateLimit(control, actor, { id, expectedRevision: 3 }))
  expect(limits().rateLimits.get(id)).toBeUndefined()
  expect(limits().rateLimitsBySubject.get(apiKeyId)).toBeUndefined()
  expect(faultsOf(await removeRateLimit(control, actor, { id }))).toEqual(['NOT_FOUND input.id'])
  expect(await auditOf(control, id)).toEqual([
    'rateLimitCreate',
    'rateLimitUpdate',
    'rateLimitUpdate',
    'rateLimitDelete: gone',
  ])
  await expectCompiledWhole(control)
})

test('all faults of a rate limit are told at once, each at its place', async () => {
  await using control = await openTestControl()
  const { deploymentId } = await prepare(control)
  const endpoint = control.snapshots.current().backends.get(deploymentId)!
  const endpointId = endpoint.kind === 'deployment' ? endpoint.endpoints[0]!.id : ''
  const bad = {
    subject: { id: 'usr_00000000000000000000000000' },
    per: ['USER', 'ROUTE', 'USER'] as LimitDimension[],
    requestsPerMinute: 0,
    tokensPerMinute: -1,
    inFlight: 2 ** 31,
    burst: 2 ** 53,
    reason: 'x'.repeat(2_000),
  }
  expect(faultsOf(await createRateLimit(control, actor, bad))).toEqual([
    'INVALID input.burst',
    'INVALID input.inFlight',
    'INVALID input.per.2',
    'INVALID input.requestsPerMinute',
    'INVALID input.tokensPerMinute',
    'NOT_FOUND input.subject.id',
  ])
  const subjects = async (subject: object) =>
    faultsOf(await createRateLimit(control, actor, { subject, requestsPerMinute: 1.5 }))
  expect(await subjects({ id: endpointId })).toEqual(['INVALID input.requestsPerMinute', 'INVALID input.subject.id'])
  expect(await subjects({ id: 'nonsense' })).toEqual(['INVALID input.requestsPerMinute', 'NOT_FOUND input.subject.id'])
  expect(await subjects({ installation: false })).toEqual([
    'INVALID input.requestsPerMinute',
    'INVALID input.subject.installation',
  ])
  expect(faultsOf(await createRateLimit(control, actor, { subject: everything }))).toEqual(['INVALID input'])
  expect(faultsOf(await createRateLimit(control, actor, { subject: everything, burst: 3 }))).toEqual(['INVALID input'])
  expect(faultsOf(await createRateLimit(control, actor, { subject: everything, inFlight: 3, burst: 3 }))).toEqual([
    'INVALID input.burst',
  ])
  const id = valueOf(await createRateLimit(control, actor, { subject: everything, inFlight: 3 }))
  expect(faultsOf(await updateRateLimit(control, actor, { id, inFlight: null }))).toEqual(['INVALID input'])
  expect(faultsOf(await updateRateLimit(control, actor, { id, inFlight: 0, tokensPerMinute: -5 }))).toEqual([
    'INVALID input.inFlight',
    'INVALID input.tokensPerMinute',
  ])
})

test('all faults of a budget are told at once, each at its place', async () => {
  await using control = await openTestControl()
  const bad = {
    subject: { id: 'key_00000000000000000000000000' },
    per: ['ROUTE', 'ROUTE'] as LimitDimension[],
    amount: '0.000',
    timeZone: 'Europe/Atlantis',
    warnAt: [0.5, 0.5, 0, 1.01, Number.NaN],
    unpricedReserve: '0.0000000000001',
  }
  expect(faultsOf(await createBudget(control, actor, bad))).toEqual([
    'INVALID input.amount',
    'INVALID input.per.1',
    'INVALID input.timeZone',
    'INVALID input.unpricedReserve',
    'INVALID input.warnAt.1',
    'INVALID input.warnAt.2',
    'INVALID input.warnAt.3',
    'INVALID input.warnAt.4',
    'NOT_FOUND input.subject.id',
  ])
  for (const amount of ['-1', '1000000000000', '0.1234567890123', '1e3', '', 'NaN'])
    expect(faultsOf(await createBudget(control, actor, { subject: everything, amount }))).toEqual([
      'INVALID input.amount',
    ])
  const nine = Array.from({ length: 9 }, (_, i) => (i + 1) / 10)
  expect(faultsOf(await createBudget(control, actor, { subject: everything, amount: '1', warnAt: nine }))).toEqual([
    'LIMIT_EXCEEDED input.warnAt',
  ])
  const id = valueOf(
    await createBudget(control, actor, { subject: everything, amount: '999999999999.999999999999', warnAt: [] }),
  )
  expect(
    faultsOf(
      await updateBudget(control, actor, { id, amount: '-1', timeZone: '+02:00', warnAt: [2], unpricedReserve: '0' }),
    ),
  ).toEqual([
    'INVALID input.amount',
    'INVALID input.timeZone',
    'INVALID input.unpricedReserve',
    'INVALID input.warnAt.0',
  ])
  expect(faultsOf(await raiseBudget(control, actor, { id, amount: '0' }))).toEqual(['INVALID input.amount'])
  expect(faultsOf(await raiseBudget(control, actor, { id: 'bud_x', amount: '1' }))).toEqual(['NOT_FOUND input.id'])
})

test('a raise is added to the running period, once for each idempotency key, and ends when another period runs', async () => {
  await using control = await openTestControl()
  const id = valueOf(await createBudget(control, actor, { subject: everything, amount: '10.50', period: 'YEAR' }))
  const budget = () => control.snapshots.current().limits.budgets.get(id)!
  expect(budget()).toEqual({
    id,
    revision: 1,
    subject: { kind: 'INSTALLATION' },
    per: [],
    amount: '10.5',
    period: 'YEAR',
    timeZone: 'UTC',
    warnAt: [0.8],
    onExhausted: 'REFUSE',
    unpricedReserve: null,
    raise: null,
  })
  const periodStartMs = periodAt('YEAR', 'UTC', Date.now()).startMs
  const once = { id, amount: '0.1', idempotencyKey: 'one', expectedRevision: 1 }
  for (let i = 0; i < 3; i++) valueOf(await raiseBudget(control, actor, once))
  expect(budget().raise).toEqual({ periodStartMs, amount: '0.1' })
  expect(faultsOf(await raiseBudget(control, actor, { ...once, amount: '9' }))).toEqual([
    'IDEMPOTENCY_KEY_REUSED input.idempotencyKey',
  ])
  valueOf(await raiseBudget(control, actor, { id, amount: '0.2' }))
  expect(budget().raise).toEqual({ periodStartMs, amount: '0.3' })
  expect(faultsOf(await raiseBudget(control, actor, { id, amount: '999999999999.9' }))).toEqual([
    'INVALID input.amount',
  ])
  valueOf(await updateBudget(control, actor, { id, amount: '20', onExhausted: 'NOTIFY' }))
  expect(budget()).toMatchObject({ amount: '20', onExhausted: 'NOTIFY', raise: { amount: '0.3' } })
  valueOf(await updateBudget(control, actor, { id, timeZone: 'Asia/Tokyo', unpricedReserve: '0.50' }))
  expect(budget()).toMatchObject({ timeZone: 'Asia/Tokyo', raise: null, unpricedReserve: '0.5' })
  valueOf(await updateBudget(control, actor, { id, unpricedReserve: null }))
  expect(budget().unpricedReserve).toBeNull()
  valueOf(await removeBudget(control, actor, { id }))
  expect(await auditOf(control, id)).toEqual([
    'budgetCreate',
    'budgetRaise',
    'budgetRaise',
    'budgetUpdate',
    'budgetUpdate',
    'budgetUpdate',
    'budgetDelete: gone',
  ])
  await expectCompiledWhole(control)
})

test('the same idempotency key makes one limit, and tells of one that was deleted since', async () => {
  await using control = await openTestControl()
  const input = { subject: everything, requestsPerMinute: 1, idempotencyKey: 'k' }
  const ids = await Promise.all([1, 2, 3].map(async () => valueOf(await createRateLimit(control, actor, input))))
  expect(new Set(ids).size).toBe(1)
  valueOf(await removeRateLimit(control, actor, { id: ids[0]! }))
  expect(faultsOf(await createRateLimit(control, actor, input))).toEqual(['NOT_FOUND input.idempotencyKey'])
})

const deletions: readonly {
  readonly name: string
  readonly action: string
  readonly takes: (subjects: Subjects) => readonly string[]
  readonly run: (control: ControlContext, subjects: Subjects) => Promise<Answer<unknown>>
}[] = [
  {
    name: 'a revoked key',
    action: 'apiKeyRevoke',
    takes: ({ apiKeyId }) => [apiKeyId],
    run: (control, { apiKeyId: id }) => revokeApiKey(control, actor, { id }),
  },
  {
    name: 'a deleted user',
    action: 'userDelete',
    takes: ({ userId, apiKeyId }) => [userId, apiKeyId],
    run: (control, { userId: id }) => removeUser(control, actor, { id }),
  },
  {
    name: 'a deleted route',
    action: 'routeDelete',
    takes: ({ routeId }) => [routeId],
    run: (control, { routeId: id }) => removeRoute(control, actor, { route: { id } }),
  },
  {
    name: 'a deleted provider',
    action: 'providerDelete',
    takes: ({ providerId, modelIds }) => [providerId, ...modelIds],
    run: (control, { providerId: id }) => removeProvider(control, actor, { provider: { id } }),
  },
  {
    name: 'a model that is removed',
    action: 'providerModelRemove',
    takes: ({ modelIds }) => [modelIds[0]!],
    run: (control) => removeProviderModel(control, actor, { model: { provider: 'p', model: 'a' } }),
  },
  {
    name: 'a model that is left out',
    action: 'providerUpdate',
    takes: ({ modelIds }) => [modelIds[1]!],
    run: (control) => updateProvider(control, actor, { provider: { name: 'p' }, models: [{ upstreamModel: 'a' }] }),
  },
  {
    name: 'a deleted deployment',
    action: 'deploymentDelete',
    takes: ({ deploymentId }) => [deploymentId],
    async run(control, { routeId, deploymentId: id }) {
      valueOf(await removeRoute(control, actor, { route: { id: routeId } }))
      return removeDeployment(control, actor, { deployment: { id } })
    },
  },
]

test.each(deletions)('$name takes its limits and budgets along, and the audit log says so', async (deletion) => {
  await using control = await openTestControl()
  const subjects = await prepare(control)
  const { userId, apiKeyId, routeId, providerId, modelIds, deploymentId } = subjects
  const made = new Map<string, string[]>()
  for (const id of [userId, apiKeyId, routeId, providerId, ...modelIds, deploymentId]) {
    const rateLimitId = valueOf(await createRateLimit(control, actor, { subject: { id }, inFlight: 1 }))
    const budgetId = valueOf(await createBudget(control, actor, { subject: { id }, amount: '1' }))
    made.set(id, [rateLimitId, budgetId])
  }
  valueOf(await deletion.run(control, subjects))
  const { rateLimits, budgets } = control.snapshots.current().limits
  const gone = new Set(deletion.takes(subjects))
  for (const [subjectId, ids] of made) {
    if (subjectId === routeId && deletion.action === 'deploymentDelete') continue
    const isThere = (id: string) => rateLimits.get(id) !== undefined || budgets.get(id) !== undefined
    expect(ids.map(isThere)).toEqual([!gone.has(subjectId), !gone.has(subjectId)])
    const last = await Promise.all(ids.map(async (id) => (await auditOf(control, id)).at(-1)))
    const ends = gone.has(subjectId) ? `${deletion.action}: gone` : undefined
    expect(last).toEqual([ends ?? 'rateLimitCreate', ends ?? 'budgetCreate'])
  }
  await expectCompiledWhole(control)
  const [subjectId] = deletion.takes(subjects)
  expect(faultsOf(await createBudget(control, actor, { subject: { id: subjectId! }, amount: '1' }))).toEqual([
    'NOT_FOUND input.subject.id',
  ])
})

test('whoever limits a subject while it is deleted gets a limit that goes with it, or is told that it is gone', async () => {
  await using control = await openTestControl()
  for (let round = 0; round < 8; round++) {
    const { providerId, modelIds, apiKeyId, userId, routeId, deploymentId } = await prepare(control)
    const limit = (id: string) => createRateLimit(control, actor, { subject: { id }, inFlight: 1 })
    const answers = await Promise.all([
      limit(modelIds[0]!),
      removeProvider(control, actor, { provider: { id: providerId } }),
      limit(modelIds[1]!),
      limit(apiKeyId),
      removeUser(control, actor, { id: userId }),
      limit(apiKeyId),
    ])
    const faults = answers.flatMap((answer) => (answer.ok ? [] : faultsOf(answer)))
    expect(faults.filter((fault) => fault !== 'NOT_FOUND input.subject.id')).toEqual([])
    expect(control.snapshots.current().limits.rateLimits.size).toBe(0)
    const orphans = await control.db.selectFrom('rate_limit').select('id').execute()
    expect(orphans).toEqual([])
    valueOf(await removeRoute(control, actor, { route: { id: routeId } }))
    valueOf(await removeDeployment(control, actor, { deployment: { id: deploymentId } }))
  }
  await expectCompiledWhole(control)
})
