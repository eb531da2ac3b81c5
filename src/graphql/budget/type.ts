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
import { BudgetRef } from './ref.ts'
import { NodeRef, VersionedRef } from '../schema/refs.ts'
import { isAnySelected } from '../kit/selected-fields.ts'
import { BudgetAction, BudgetPeriod } from './enums.ts'
import { BudgetStateRef, type BudgetStateRow, listBudgetStates } from './state.ts'

const BudgetStateConnection = connectionType<BudgetStateRow>('BudgetState', BudgetStateRef, {
  isCounted: false,
  description: 'A page of states.',
})

builder.objectType(BudgetRef, {
  description:
    'A bound on the money that a subject may cost in a period. It is checked before each attempt, also before an attempt at the fallback.',
  interfaces: [NodeRef, VersionedRef],
  authScopes: (row, context) => (seesLimit(limitVisibilityOf(context), budgetOf(row)) ? true : seesConfig),
  fields: (t) => ({
    subject: t.field({
      type: LimitSubjectRef,
      description: 'The object to which it applies.',
      resolve: async (row, _args, context) => (await loadLimitSubject(context, budgetOf(row).subject)) as never,
    }),
    per: t.expose('per', {
      type: [LimitDimension],
      description: 'It is counted separately for each value of these; empty: all requests of the subject share it.',
    }),
    amount: t.expose('amount', { type: 'Decimal', description: 'USD per period.' }),
    period: t.expose('period', {
      type: BudgetPeriod,
      description: 'How long a period lasts. Each period begins with the full amount.',
    }),
    timeZone: t.exposeString('time_zone', { description: 'IANA name of the time zone in which periods begin.' }),
    warnAt: t.expose('warn_at', {
      type: ['Float'],
      description:
        'Shares of `amount` that `budgetChanged` reports once per period when they are reached, ascending, at most 8.',
    }),
    onExhausted: t.expose('on_exhausted', {
      type: BudgetAction,
      description: 'What happens to requests when it is used up.',
    }),
    unpricedReserve: t.expose('unpriced_reserve', {
      type: 'Decimal',
      nullable: true,
      description:
        'The cost in USD that is reserved for a request to a backend without a price; null: the budget does not hold such requests back.',
    }),
    states: t.field({
      type: BudgetStateConnection,
      description:
        'The states of the running period, the most used first, at most 10,000; always exactly one if `per` is empty. A caller without the scope `CONFIG_READ` gets only its own.',
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
    description:
      'In order of creation. A caller with the scope `CONFIG_READ` gets all; another caller gets those that apply to its own keys: those on its user, its keys, the routes that these keys may call, and the installation.',
    complexity: pageCost,
    args: {
      ...pageArgs(t.arg),
      subjectId: t.arg.id({ description: 'Only those that apply to this object; omitted: all.' }),
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
