import type { Db } from '../../storage/database/db.ts'
import { listBudgetsByIds } from '../../storage/budget/read.ts'
import { byId } from '../kit/batch.ts'

/** What is read of budgets, in batches. */
export function budgetLoaders(db: Db) {
  return {
    budget: byId(db, listBudgetsByIds),
  }
}

export const budgetPayloadParts = { budget: ['budget'] } as const
