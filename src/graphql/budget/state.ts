import type { Budget } from '../../routing/limits/limit.ts'
import { type BudgetState, budgetStateAt } from '../../routing/limits/budget-state.ts'
import { periodAt } from '../../routing/limits/budget-period.ts'
import { listBudgetReserved } from '../../storage/budget/lease.ts'
import { listSpent, type Spent } from '../../storage/budget/spent.ts'
import { noId } from '../../routing/limits/match-limits.ts'
import { labelsOf } from '../limit/labels.ts'
import type { Db } from '../../storage/database/db.ts'
import { builder } from '../schema/builder.ts'
import { type ListedRow, placeRows } from '../limit/page-of-list.ts'

const dayMs = 86_400_000
/** Of a period without an end: behind any record. */
const farAwayMs = Date.UTC(9999, 0)

export interface BudgetStateRow extends ListedRow {
  /** Of the dimensions, in their order; null where requests had none. */
  readonly ids: readonly (string | null)[]
  /** Names at the time of the requests; null where there was none, or where nothing has ended yet. */
  readonly labels: readonly (string | null)[]
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
  const spent = await listSpent(db, budget, { from: startMs, to: endMs ?? farAwayMs })
  const lastDay = withPace ? await listSpent(db, budget, { from: nowMs - dayMs, to: nowMs }) : []
  const reserved = new Map(
    (await listBudgetReserved(db, budget.id, startMs)).map((part) => [part.ids.join(' '), part.reserved]),
  )
  const spentLastDay = new Map(lastDay.map(({ ids, cost }) => [keyOf(ids), cost]))
  const parts = withReservedOnly(spent, reserved)
  return placeRows(
    parts.map(({ ids, labels, cost }) => {
      const id = keyOf(ids)
      const use = { spent: cost, reserved: reserved.get(id) ?? '0', spentLastDay: spentLastDay.get(id) ?? '0' }
      return { id, ids, labels, state: budgetStateAt(budget, use, nowMs) }
    }),
  )
}

/** With the parts that something is reserved of, and nothing was spent of yet. */
function withReservedOnly(spent: readonly Spent[], reserved: ReadonlyMap<string, string>): readonly Spent[] {
  const known = new Set(spent.map(({ ids }) => keyOf(ids)))
  const others = [...reserved.keys()].filter((key) => !known.has(key)).sort()
  return [
    ...spent,
    ...others.map((key) => {
      const ids = key.split(' ').map((id) => (id === noId ? null : id))
      return { ids, labels: ids.map(() => null), cost: '0' }
    }),
  ]
}

function keyOf(ids: readonly (string | null)[]): string {
  return ids.map((id) => id ?? noId).join(' ')
}

export const BudgetStateRef = builder.objectRef<BudgetStateRow>('BudgetState').implement({
  description: 'How a budget stands in the running period.',
  fields: (t) => ({
    labels: t.stringList({
      description: "The values of `per`, e.g. a key's name; empty where there are none.",
      resolve: async ({ ids, labels }, _args, context) => {
        const now = await labelsOf(context, ids)
        return labels.map((label, index) => label ?? now[index]!)
      },
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
