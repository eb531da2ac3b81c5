import type { Budget } from '../../routing/limits/limit.ts'
import { type BudgetPart, partKey, readBudgetStates } from '../../storage/budget/states.ts'
import type { Db } from '../../storage/database/db.ts'
import { labelsOf } from '../limit/labels.ts'
import { type ListedRow, placeRows } from '../limit/page-of-list.ts'
import { builder } from '../schema/builder.ts'

export interface BudgetStateRow extends BudgetPart, ListedRow {}

/** The states of a budget as list rows, most used first. Call it in a read view, so that the sums belong to one instant. */
export async function listBudgetStates(
  db: Db,
  budget: Budget,
  nowMs: number,
  options: { readonly withPace?: boolean } = {},
): Promise<BudgetStateRow[]> {
  const parts = await readBudgetStates(db, budget, nowMs, options)
  return placeRows(parts.map((part) => ({ ...part, id: partKey(part.ids) })))
}

export const BudgetStateRef = builder.objectRef<BudgetStateRow>('BudgetState').implement({
  description: 'The state of a budget in the running period.',
  fields: (t) => ({
    labels: t.stringList({
      description: "The names for the values of `per`, e.g. a key's name; empty if `per` is empty.",
      resolve: async ({ ids, labels }, _args, context) => {
        const now = await labelsOf(context, ids)
        return labels.map((label, index) => label ?? now[index]!)
      },
    }),
    periodStart: t.field({
      type: 'DateTime',
      description: 'When the running period began; for `TOTAL` the year 1970.',
      resolve: ({ state }) => new Date(state.period.startMs),
    }),
    resetsAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the next period begins; null: never.',
      resolve: ({ state }) => (state.period.endMs === null ? null : new Date(state.period.endMs)),
    }),
    spent: t.field({
      type: 'Decimal',
      description: 'USD spent by finished requests: the exact sum of their usage records.',
      resolve: ({ state }) => state.spent,
    }),
    reserved: t.field({
      type: 'Decimal',
      description: 'USD reserved for requests in flight.',
      resolve: ({ state }) => state.reserved,
    }),
    remaining: t.field({
      type: 'Decimal',
      description:
        'USD that remains: `amount` and raises, minus `spent` and `reserved`. Negative if more was spent, e.g. with `NOTIFY`.',
      resolve: ({ state }) => state.remaining,
    }),
    exhausted: t.boolean({ description: 'Whether nothing remains.', resolve: ({ state }) => state.exhausted }),
    runsOutAt: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'When the budget will be used up at the pace of the last day; null if that is not within the period, or if it is used up already.',
      resolve: ({ state }) => (state.runsOutAtMs === null ? null : new Date(state.runsOutAtMs)),
    }),
  }),
})
