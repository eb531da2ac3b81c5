import { periodAt } from '../../routing/limits/budget-period.ts'
import { type BudgetState, budgetStateAt } from '../../routing/limits/budget-state.ts'
import type { Budget } from '../../routing/limits/limit.ts'
import { noId } from '../../routing/limits/match-limits.ts'
import type { Db } from '../database/db.ts'
import { listBudgetReserved } from './lease.ts'
import { listSpent, type SpentAmount } from './spent.ts'

const dayMs = 86_400_000
/** The end of a period without an end: later than any record. */
const farAwayMs = Date.UTC(9999, 0)

/** The state of one part of a budget. */
export interface BudgetPart {
  /** Of the dimensions, in their order; null where requests had none. */
  readonly ids: readonly (string | null)[]
  /** Names at the time of the requests; null where there was none, or where nothing has ended yet. */
  readonly labels: readonly (string | null)[]
  readonly state: BudgetState
}

/**
 * The parts of a budget at an instant, most used first; without dimensions one. `withPace`: also when they run out. Call it in a
 * transaction with a snapshot (`REPEATABLE READ`).
 */
export async function readBudgetStates(
  db: Db,
  budget: Budget,
  nowMs: number,
  { withPace = true } = {},
): Promise<BudgetPart[]> {
  const { startMs, endMs } = periodAt(budget.period, budget.timeZone, nowMs)
  const spent = await listSpent(db, budget, { from: startMs, to: endMs ?? farAwayMs })
  const lastDay = withPace ? await listSpent(db, budget, { from: nowMs - dayMs, to: nowMs }) : []
  const reserved = new Map(
    (await listBudgetReserved(db, budget.id, startMs)).map((part) => [part.ids.join(' '), part.reserved]),
  )
  const spentLastDay = new Map(lastDay.map(({ ids, cost }) => [partKey(ids), cost]))
  return withReservedOnly(spent, reserved).map(({ ids, labels, cost }) => {
    const key = partKey(ids)
    const use = { spent: cost, reserved: reserved.get(key) ?? '0', spentLastDay: spentLastDay.get(key) ?? '0' }
    return { ids, labels, state: budgetStateAt(budget, use, nowMs) }
  })
}

/** The ids of a part as one text. */
export function partKey(ids: readonly (string | null)[]): string {
  return ids.map((id) => id ?? noId).join(' ')
}

/** Adds the parts of which something is reserved and nothing was spent yet. */
function withReservedOnly(
  spent: readonly SpentAmount[],
  reserved: ReadonlyMap<string, string>,
): readonly SpentAmount[] {
  const known = new Set(spent.map(({ ids }) => partKey(ids)))
  const others = [...reserved.keys()].filter((key) => !known.has(key)).sort()
  return [
    ...spent,
    ...others.map((key) => {
      const ids = key.split(' ').map((id) => (id === noId ? null : id))
      return { ids, labels: ids.map(() => null), cost: '0' }
    }),
  ]
}
