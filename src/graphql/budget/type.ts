import { budgetOf } from '../../storage/budget/load.ts'
import { countBudgets, listBudgets } from '../../storage/budget/read.ts'
import type { Budget } from '../../routing/limits/limit.ts'
import type { PageRequest } from '../../storage/database/page.ts'
import { seesConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { connect, connectionType, pageArgs, pageCost } from '../kit/connection.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { LimitDimension } from '../limit/enums.ts'
import { pageOfList } from '../limit/page-of-list.ts'
import { LimitSubjectRef, loadLimitSubject } from '../limit/subject.ts'
import { seesLimit, limitVisibilityOf, visibleIds } from '../limit/visibility.ts'
import { BudgetRef, NodeRef, VersionedRef } from '../schema/refs.ts'
import { isAnySelected } from '../kit/selected-fields.ts'
import { BudgetAction, BudgetPeriod } from './enums.ts'
import { BudgetStateRef, type BudgetStateRow, listBudgetStates } from './state.ts'

const BudgetStateConnection = connectionType<BudgetStateRow>('BudgetState', BudgetStateRef, {
  isCounted: false,
  description: 'A page of states.',
})

builder.objectType(BudgetRef, {
  description: 'Money for a period. Checked before each attempt, also before a paid fallback.',
  interfaces: [NodeRef, VersionedRef],
  authScopes: (row, context) => (seesLimit(limitVisibilityOf(context), budgetOf(row)) ? true : seesConfig),
  fields: (t) => ({
    subject: t.field({
      type: LimitSubjectRef,
      description: 'What it is about.',
      resolve: async (row, _args, context) => (await loadLimitSubject(context, budgetOf(row).subject)) as never,
    }),
    per: t.expose('per', { type: [LimitDimension], description: 'Empty: all requests of the subject share it.' }),
    amount: t.expose('amount', { type: 'Decimal', description: 'USD.' }),
    period: t.expose('period', { type: BudgetPeriod, description: 'After what time it opens anew.' }),
    timeZone: t.exposeString('time_zone', { description: "IANA name: where the period's days begin." }),
    warnAt: t.expose('warn_at', {
      type: ['Float'],
      description: 'Shares of `amount` that are told once per period, ascending, at most 8.',
    }),
    onExhausted: t.expose('on_exhausted', {
      type: BudgetAction,
      description: 'What becomes of requests when it is used up.',
    }),
    unpricedReserve: t.expose('unpriced_reserve', {
      type: 'Decimal',
      nullable: true,
      description:
        'What a request is taken to cost at most where no price is known; null: backends without a price are not held back.',
    }),
    states: t.field({
      type: BudgetStateConnection,
      description:
        'Most used first, at most 10,000; always one if `per` is empty. Without the scope `CONFIG_READ` only its own.',
      args: pageArgs(t.arg),
      complexity: pageCost,
      resolve: (row, args, context, info) => {
        const withPace = isAnySelected(info, new Set(['runsOutAt']))
        return connect(context, statesOf(context, budgetOf(row), withPace), args, info)
      },
    }),
  }),
})

function statesOf(context: GraphQLContext, budget: Budget, withPace: boolean) {
  let rows: Promise<BudgetStateRow[]> | undefined
  const list = async () => {
    const sight = limitVisibilityOf(context)
    const all = await listBudgetStates(context.db, budget, Date.now(), { withPace })
    return all.filter(({ ids }) => sight.seesState(budget, ids))
  }
  return {
    list: `Budget.states ${budget.id}`,
    read: async (request: PageRequest) => pageOfList(await (rows ??= list()), request),
  }
}

const BudgetConnection = connectionType('Budget', BudgetRef, { isCounted: true, description: 'A page of budgets.' })

builder.queryField('budgets', (t) =>
  t.field({
    type: BudgetConnection,
    description: `In order of creation. With the scope \`CONFIG_READ\` all of them; else those that bind the caller's own keys: on its user, its keys,
the routes that these may call, and the installation.`,
    complexity: pageCost,
    args: {
      ...pageArgs(t.arg),
      subjectId: t.arg.id({ description: 'Only those about this object; omitted: all.' }),
    },
    resolve: (_root, { subjectId = null, ...args }, context, info) => {
      const { db, control } = context
      const ids = visibleIds(limitVisibilityOf(context), control.snapshots.current().limits.budgets.values())
      const filter = { subjectId, ids }
      const source = {
        list: 'budgets',
        read: (request: PageRequest) => listBudgets(db, filter, request),
        count: () => countBudgets(db, filter),
      }
      return connect(context, source, args, info)
    },
  }),
)
