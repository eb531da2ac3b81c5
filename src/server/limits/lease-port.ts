import { setTimeout as sleep } from 'node:timers/promises'
import type { BudgetAnswer, BudgetLeaseRequest } from '../../routing/limits/budget-lease.ts'
import { leaseMs, type LeaseAnswer, type LeaseRequest } from '../../routing/limits/lease.ts'
import type { Db } from '../../storage/database/db.ts'
import { type BudgetLessee, leaseBudgets } from '../../storage/budget/lease.ts'
import { leaseLimits } from '../../storage/limit/lease.ts'

/** A hanging connection must not block the next question on another one. */
const patienceMs = 3_000

/** Runs the lease rounds of a gateway. Rejects if the database does not answer in time. */
export function createLeasePort(db: Db, gatewayId: string): (asks: readonly LeaseRequest[]) => Promise<LeaseAnswer[]> {
  return (asks) => inTime(leaseLimits(db, gatewayId, asks, leaseMs))
}

/** The same of budgets. */
export function createBudgetPort(
  db: Db,
  lessee: BudgetLessee,
): (asks: readonly BudgetLeaseRequest[]) => Promise<readonly BudgetAnswer[]> {
  return (asks) => inTime(leaseBudgets(db, lessee, asks, leaseMs))
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  const patience = new AbortController()
  const late = sleep(patienceMs, undefined, { signal: patience.signal, ref: false }).then(() => {
    throw new Error('the database did not answer in time')
  })
  // Aborted when the answer was in time.
  late.catch(() => undefined)
  return await Promise.race([answer, late]).finally(() => patience.abort())
}
