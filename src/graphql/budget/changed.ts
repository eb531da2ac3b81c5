import { periodAt } from '../../routing/limits/budget-period.ts'
import {
  type BudgetChangeKind as BudgetChangeKindWord,
  changesSince,
  firstNotice,
  type BudgetNotice,
  withoutNotice,
} from '../../routing/limits/budget-changes.ts'
import { budgetOf } from '../../storage/budget/load.ts'
import { type BudgetRow, listBudgets, listBudgetsByIds } from '../../storage/budget/read.ts'
import type { Db } from '../../storage/database/db.ts'
import { isAway } from '../../storage/database/is-away.ts'
import type { AnyScope } from '../kit/authorisation.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { fault } from '../kit/fault.ts'
import { openSubscription, type SubscriptionQueue, valueOfEvent } from '../kit/subscription.ts'
import { type LimitVisibility, seesLimit, limitVisibilityOf, visibleIds } from '../limit/visibility.ts'
import { builder } from '../schema/builder.ts'
import type { Values } from '../schema/enum-values.ts'
import { BudgetRef } from './ref.ts'
import { BudgetStateRef, type BudgetStateRow, listBudgetStates } from './state.ts'

const BudgetChangeKind = builder.enumType('BudgetChangeKind', {
  description: 'What happened to a budget.',
  values: {
    CURRENT: {
      description: 'Nothing happened: the state when the subscription begins, or when the budget is created.',
    },
    WARNED: { description: 'The money used reached a share of `warnAt`.' },
    EXHAUSTED: { description: 'Nothing remains.' },
    RAISED: { description: '`budgetRaise` added money to the running period.' },
    RENEWED: { description: 'A new period has begun.' },
  } satisfies Values<BudgetChangeKindWord>,
})

interface BudgetChange {
  readonly budget: BudgetRow
  readonly state: BudgetStateRow
  readonly kind: BudgetChangeKindWord
  readonly at: Date
}

const BudgetChangeRef = builder.objectRef<BudgetChange>('BudgetChange').implement({
  description: 'An event of a budget, with the state of the budget.',
  fields: (t) => ({
    budget: t.field({ type: BudgetRef, description: 'The budget.', resolve: ({ budget }) => budget }),
    state: t.field({
      type: BudgetStateRef,
      description: 'The state that changed: one of `Budget.states`.',
      resolve: ({ state }) => state,
    }),
    kind: t.expose('kind', { type: BudgetChangeKind, description: 'What happened.' }),
    at: t.field({ type: 'DateTime', description: 'When it was observed.', resolve: ({ at }) => at }),
  }),
})

/** Any key may subscribe: a caller sees the budgets that apply to it. */
const anyKey = {
  INFERENCE: true,
  CONFIG_READ: true,
  CONFIG_WRITE: true,
  TRAFFIC_WRITE: true,
  USAGE_READ: true,
  ADMIN: true,
} as const satisfies AnyScope

builder.subscriptionField('budgetChanged', (t) =>
  t.field({
    type: BudgetChangeRef,
    description:
      'First the current state of each budget, then an event when a budget reaches a share of `warnAt` (once per share and period), is exhausted, is raised, or begins a new period. Without `id`: the first 100 budgets that the caller sees.',
    args: { id: t.arg.id({ description: 'Only this budget.' }) },
    subscribe: async (_root, { id = null }, context) => {
      if (id !== null) await requireVisible(context, id)
      return watchBudgets(context, id)
    },
    resolve: (event, _args, context) => valueOfEvent(event, context),
  }),
)

async function requireVisible(context: GraphQLContext, id: string): Promise<void> {
  const [row] = await listBudgetsByIds(context.reads.db, [id])
  if (!row || !seesLimit(limitVisibilityOf(context), budgetOf(row)))
    throw fault('NOT_FOUND', 'There is no such budget.')
}

const maxBudgets = 100
const maxQueued = 1_000
/** How long budgets are read again after a request with a cost: the request is reported before its record is in the database. */
const busyMs = 15_000
const busyLookMs = 500
const idleLookMs = 15_000

/** Reads the budgets again while money is being spent, when a change is committed, and when a period ends. */
function watchBudgets(context: GraphQLContext, id: string | null): SubscriptionQueue<BudgetChange> {
  const queue: SubscriptionQueue<BudgetChange> = openSubscription(context, {
    scopes: anyKey,
    capacity: maxQueued,
    overflow: 'DROP_OLDEST',
  })
  const notices = new BudgetNotices()
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> | undefined
  let isWanted = false
  let busyUntilMs = 0
  let nextPeriodMs = Infinity

  const look = async () => {
    isWanted = false
    const nowMs = Date.now()
    const { changes, periodEndMs } = await readChanges(context, id, notices, nowMs)
    nextPeriodMs = periodEndMs
    for (const change of changes) queue.push({ value: change })
  }
  const lookAndWait = async () => {
    clearTimeout(timer)
    try {
      await look()
    } catch (error) {
      // A database restart must not end the subscription: the read is tried again when the database is back.
      if (!isAway(error)) queue.end({ fault: error instanceof Error ? error : new Error(String(error)) })
    }
    looking = undefined
    if (!queue.isOver) timer = setTimeout(wake, pauseMs()).unref()
  }
  const pauseMs = () => {
    if (isWanted) return 0
    const nowMs = Date.now()
    const usual = nowMs < busyUntilMs ? busyLookMs : idleLookMs
    return Math.max(1, Math.min(usual, nextPeriodMs - nowMs + 1))
  }
  const wake = () => {
    isWanted = true
    if (!queue.isOver) looking ??= lookAndWait()
  }
  queue.onEnd(() => clearTimeout(timer))
  queue.onEnd(context.live.onSnapshot(wake))
  queue.onEnd(
    context.live.onRequest(({ cost }) => {
      if (cost === null) return
      const isNews = Date.now() >= busyUntilMs
      busyUntilMs = Date.now() + busyMs
      if (isNews) wake()
    }),
  )
  wake()
  return queue
}

interface Changes {
  readonly changes: readonly BudgetChange[]
  /** The earliest end of a running period, in milliseconds since the epoch; `Infinity` if no period ends. */
  readonly periodEndMs: number
}

/** Reads everything in one database snapshot. Otherwise the sums of a budget's parts could come from different instants. */
async function readChanges(
  context: GraphQLContext,
  id: string | null,
  notices: BudgetNotices,
  nowMs: number,
): Promise<Changes> {
  const visibility = limitVisibilityOf(context)
  return await context.reads.db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      const rows = await listWatched(tx, context, visibility, id)
      const changes: BudgetChange[] = []
      let periodEndMs = Infinity
      for (const row of rows) {
        const budget = budgetOf(row)
        periodEndMs = Math.min(periodEndMs, periodAt(budget.period, budget.timeZone, nowMs).endMs ?? Infinity)
        const states = await listBudgetStates(tx, budget, nowMs)
        const visible = states.filter(({ ids }) => visibility.seesState(budget, ids))
        changes.push(...notices.changesOf(row, visible, new Date(nowMs)))
      }
      notices.forgetOthers(rows)
      return { changes, periodEndMs }
    })
}

async function listWatched(
  tx: Db,
  { control }: GraphQLContext,
  visibility: LimitVisibility,
  id: string | null,
): Promise<readonly BudgetRow[]> {
  if (id !== null) return (await listBudgetsByIds(tx, [id])).filter((row) => seesLimit(visibility, budgetOf(row)))
  const ids = visibleIds(visibility, control.snapshots.current().limits.budgets.values())
  const request = { limit: maxBudgets, after: null, before: null, fromEnd: false }
  return (await listBudgets(tx, { subjectId: null, ids }, request)).rows
}

/** What one subscriber was sent last, by budget and part. */
class BudgetNotices {
  readonly #budgets = new Map<string, Map<string, BudgetNotice>>()

  changesOf(row: BudgetRow, states: readonly BudgetStateRow[], at: Date): BudgetChange[] {
    const budget = budgetOf(row)
    const known = this.#budgets.get(row.id)
    const parts = known ?? new Map<string, BudgetNotice>()
    this.#budgets.set(row.id, parts)
    return states.flatMap((state) => {
      if (!known) {
        parts.set(state.id, firstNotice(budget, state.state))
        return [{ budget: row, state, kind: 'CURRENT' as const, at }]
      }
      const { kinds, notice } = changesSince(parts.get(state.id) ?? withoutNotice(state.state), budget, state.state)
      parts.set(state.id, notice)
      return kinds.map((kind) => ({ budget: row, state, kind, at }))
    })
  }

  forgetOthers(rows: readonly BudgetRow[]): void {
    const ids = new Set(rows.map((row) => row.id))
    for (const id of this.#budgets.keys()) if (!ids.has(id)) this.#budgets.delete(id)
  }
}
