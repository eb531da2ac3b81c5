import type { Budget } from '../../routing/limits/limit.ts'
import { type BudgetState, budgetStateAt } from '../../routing/limits/budget-state.ts'
import { periodAt } from '../../routing/limits/budget-period.ts'
import { listSpent } from '../../storage/budget/spent.ts'
import type { Db } from '../../storage/database/db.ts'
import { builder } from '../schema/builder.ts'
import { type ListedRow, placeRows } from '../limit/page-of-list.ts'

const dayMs = 86_400_000
/** Of a period without an end: behind any record. */
const farAwayMs = Date.UTC(9999, 0)

export interface BudgetStateRow extends ListedRow {
  /** Of the dimensions, in their order; null where requests had none. */
  readonly ids: readonly (string | null)[]
  readonly labels: readonly string[]
  readonly state: BudgetState
}

/** The states of a budget at an instant, most used first. `withPace`: also when it runs out. Call it in a view of the database. */
export async function listBudgetStates(
  db: Db,
  budget: Budget,
  nowMs: number,
  { withPace = true } = {},
): Promise<BudgetStateRow[]> {
  const { startMs, endMs } = periodAt(budget.period, budget.timeZone, nowMs)
  const all = await listSpent(db, budget, { from: startMs, to: endMs ?? farAwayMs })
  const lastDay = withPace ? await listSpent(db, budget, { from: nowMs - dayMs, to: nowMs }) : []
  const lastDayOf = new Map(lastDay.map(({ ids, cost }) => [keyOf(ids), cost]))
  return placeRows(
    all.map(({ ids, labels, cost: spent }) => ({
      id: keyOf(ids),
      ids,
      labels: labels.map((label) => label ?? ''),
      state: budgetStateAt(budget, { spent, reserved: '0', spentLastDay: lastDayOf.get(keyOf(ids)) ?? '0' }, nowMs),
    })),
  )
}

function keyOf(ids: readonly (string | null)[]): string {
  return ids.map((id) => id ?? '-').join(' ')
}

export const BudgetStateRef = builder.objectRef<BudgetStateRow>('BudgetState').implement({
  description: 'How a budget stands in the running period.',
  fields: (t) => ({
    labels: t.stringList({
      description: "The values of `per`, e.g. a key's name; empty where there are none.",
      resolve: ({ labels }) => labels,
    }),
    periodStart: t.field({
      type: 'DateTime',
      description: 'When the running period began; of `TOTAL` 1970.',
      resolve: ({ state }) => new Date(state.period.startMs),
    }),
    resetsAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it opens anew; null: never.',
      resolve: ({ state }) => (state.period.endMs === null ? null : new Date(state.period.endMs)),
    }),
    spent: t.field({
      type: 'Decimal',
      description: 'Of finished requests: the sum of their records, exactly.',
      resolve: ({ state }) => state.spent,
    }),
    reserved: t.field({
      type: 'Decimal',
      description: 'For requests under way.',
      resolve: ({ state }) => state.reserved,
    }),
    remaining: t.field({
      type: 'Decimal',
      description:
        '`amount`, with what it was raised by, without `spent` and `reserved`; below 0 where more was spent, e.g. with `NOTIFY`.',
      resolve: ({ state }) => state.remaining,
    }),
    exhausted: t.boolean({ description: 'Whether nothing remains.', resolve: ({ state }) => state.exhausted }),
    runsOutAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'By the pace of the last day; null: not within the period, or it has.',
      resolve: ({ state }) => (state.runsOutAtMs === null ? null : new Date(state.runsOutAtMs)),
    }),
  }),
})
