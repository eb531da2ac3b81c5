import { expect, test } from 'vitest'
import { createBudget } from '../../../src/control/budget/create.ts'
import { raiseBudget } from '../../../src/control/budget/raise.ts'
import { periodAt } from '../../../src/routing/limits/budget-period.ts'
import { leaseMs } from '../../../src/routing/limits/lease.ts'
import type { Budget } from '../../../src/routing/limits/limit.ts'
import { leaseBudgets } from '../../../src/storage/budget/lease.ts'
import { listRefusedBudgets } from '../../../src/storage/problem/refused-budgets.ts'
import { administrator as actor, openTestControl, type TestControl, valueOf } from '../../support/control.ts'

/** The turn of a gateway that kept a request out, by the budget as it knows it. */
async function tellRefusal({ db }: TestControl, budget: Budget, gatewayId = 'gateway-1'): Promise<void> {
  const { startMs, endMs } = periodAt(budget.period, budget.timeZone, Date.now())
  const ask = { budget, bucket: '', periodStartMs: startMs, periodEndMs: endMs }
  const nothing = { held: 0, inUse: 0, need: 0, spare: 0 }
  await leaseBudgets(db, { gatewayId, spoolId: gatewayId }, [{ ...ask, ...nothing, hasRefused: true }], leaseMs)
}

test('a refusal counts until the budget is raised, also if a gateway tells it later', async () => {
  await using control = await openTestControl()
  const input = { subject: { installation: true }, amount: '1', period: 'TOTAL' } as const
  const id = valueOf(await createBudget(control, actor, input))
  const current = () => control.snapshots.current().limits.budgets.get(id)!
  const refused = async () => (await listRefusedBudgets(control.db)).map(({ budgetId }) => budgetId)
  expect(await refused()).toEqual([])
  const before = current()
  await tellRefusal(control, before)
  expect(await refused()).toEqual([id])

  valueOf(await raiseBudget(control, actor, { id, amount: '100' }))
  expect(current().revision).toBe(before.revision + 1)
  expect(await refused()).toEqual([])
  await tellRefusal(control, before)
  expect(await refused()).toEqual([])

  await tellRefusal(control, current())
  expect(await refused()).toEqual([id])
  await tellRefusal(control, before, 'gateway-2')
  expect(await refused()).toEqual([id])
})
