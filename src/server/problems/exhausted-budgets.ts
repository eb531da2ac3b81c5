import type { Budget } from '../../routing/limits/limit.ts'
import { periodAt } from '../../routing/limits/budget-period.ts'
import { noId } from '../../routing/limits/match-limits.ts'
import type { ExhaustedBudget } from '../../routing/problems/problem-facts.ts'
import { readBudgetStates } from '../../storage/budget/states.ts'
import type { Db } from '../../storage/database/db.ts'
import { listRefusedBudgets } from '../../storage/problem/refused-budgets.ts'

interface Look {
  readonly budget: Budget
  readonly atMs: number
  /** The buckets of which nothing was left. */
  readonly spent: readonly string[]
}

/** Budgets that are read in one pass: changed ones first, then those read longest ago. */
const maxLooks = 50
const lookEveryMs = 5_000
/** An exhausted budget is read sooner, so that a raise is seen quickly. */
const sooner = 3_000

/**
 * Which parts of budgets are exhausted. What is spent is added up from the usage records; in an installation with more than 50 budgets it
 * takes a few readings until each of them was looked at. What gateways refuse for is known at once.
 */
export function createExhaustedBudgetsReader(
  db: Db,
  budgets: () => Iterable<Budget>,
): () => Promise<readonly ExhaustedBudget[]> {
  let looks = new Map<string, Look>()
  return async () => {
    const current = [...budgets()]
    if (current.length === 0) {
      looks = new Map()
      return []
    }
    looks = new Map(current.flatMap(({ id }) => (looks.has(id) ? [[id, looks.get(id)!] as const] : [])))
    for (const budget of dueBudgets(current, looks)) looks.set(budget.id, await lookAt(db, budget))
    return join(new Map(current.map((budget) => [budget.id, budget])), looks, await listRefusedBudgets(db))
  }
}

function dueBudgets(budgets: readonly Budget[], looks: ReadonlyMap<string, Look>): Budget[] {
  const nowMs = performance.now()
  const ageOf = (budget: Budget) => {
    const look = looks.get(budget.id)
    if (look?.budget !== budget) return Infinity
    return nowMs - look.atMs + (look.spent.length > 0 ? sooner : 0)
  }
  const due = budgets.map((budget) => ({ budget, ageMs: ageOf(budget) })).filter(({ ageMs }) => ageMs >= lookEveryMs)
  // Two budgets that were never read are equally due; the difference of their times is not a number.
  due.sort((a, b) => (a.ageMs === b.ageMs ? 0 : b.ageMs - a.ageMs))
  return due.slice(0, maxLooks).map(({ budget }) => budget)
}

async function lookAt(db: Db, budget: Budget): Promise<Look> {
  const atMs = performance.now()
  const options = { withPace: false }
  const parts = await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute((tx) => readBudgetStates(tx, budget, Date.now(), options))
  const spent = parts.filter(({ state }) => state.exhausted)
  return { budget, atMs, spent: spent.map(({ ids }) => ids.map((id) => id ?? noId).join(' ')) }
}

function join(
  budgets: ReadonlyMap<string, Budget>,
  looks: ReadonlyMap<string, Look>,
  refused: Awaited<ReturnType<typeof listRefusedBudgets>>,
): ExhaustedBudget[] {
  const exhausted = new Map<string, ExhaustedBudget>()
  for (const { budget, spent } of looks.values())
    for (const bucket of spent)
      exhausted.set(`${budget.id} ${bucket}`, { budgetId: budget.id, bucket, sinceMs: null, isSpent: true })
  for (const { budgetId, bucket, periodStartMs, sinceMs } of refused) {
    const budget = budgets.get(budgetId)
    if (!budget || periodAt(budget.period, budget.timeZone, Date.now()).startMs !== periodStartMs) continue
    const key = `${budgetId} ${bucket}`
    exhausted.set(key, { budgetId, bucket, sinceMs, isSpent: exhausted.has(key) })
  }
  return [...exhausted.values()]
}
