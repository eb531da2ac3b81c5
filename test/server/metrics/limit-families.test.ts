import { expect, test } from 'vitest'
import { createBudget } from '../../../src/control/budget/create.ts'
import { createRateLimit } from '../../../src/control/limit/create.ts'
import { createUser } from '../../../src/control/user/create.ts'
import { createLimitMetrics } from '../../../src/server/metrics/limit-families.ts'
import { insertUsageRecords } from '../../../src/storage/usage/ledger/insert.ts'
import { administrator as actor, openTestControl, valueOf } from '../../support/control.ts'
import { usageRecord } from '../../support/usage-record.ts'

test('each limit and each budget has one series, whatever is counted apart, and a database that is away has none', async () => {
  const control = await openTestControl()
  const { families, refresh } = createLimitMetrics(control.db, control.snapshots.current)
  const read = async () => {
    await refresh()
    return Object.fromEntries(
      families.map(({ name, read: samples }) => [
        name,
        [...samples()].map(({ labels, value }) => ({ ...labels, value })),
      ]),
    )
  }
  expect(Object.values(await read()).flat()).toEqual([])

  const userId = valueOf(await createUser(control, actor, { name: 'ada' }))
  const limitId = valueOf(await createRateLimit(control, actor, { subject: { id: userId }, requestsPerMinute: 5 }))
  const budgetId = valueOf(
    await createBudget(control, actor, {
      subject: { installation: true },
      per: ['API_KEY'],
      amount: '1',
      period: 'TOTAL',
    }),
  )
  await insertUsageRecords(control.db, [
    usageRecord({ apiKeyId: 'key_a', cost: '1.5' }),
    usageRecord({ apiKeyId: 'key_b', cost: '0.25' }),
  ])
  const limit = { id: limitId, subject: 'user', name: 'ada' }
  const budget = { id: budgetId, subject: 'installation', name: '' }
  expect(await read()).toEqual({
    signalbox_limit_requests_left: [],
    signalbox_limit_tokens_left: [],
    signalbox_limit_refused_last_hour: [{ ...limit, value: 0 }],
    signalbox_limit_would_refuse_last_hour: [{ ...limit, value: 0 }],
    signalbox_budget_allowed_usd: [{ ...budget, value: 1 }],
    signalbox_budget_spent_usd: [{ ...budget, value: 1.5 }],
    signalbox_budget_exhausted: [{ ...budget, value: 1 }],
  })

  await control[Symbol.asyncDispose]()
  expect(Object.values(await read()).flat()).toEqual([])
})
