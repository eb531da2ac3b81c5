import { requestRate, tokenRate } from '../../routing/limits/rates-of.ts'
import type { RateLimit } from '../../routing/limits/limit.ts'
import { rateLimitOf } from '../../storage/limit/load.ts'
import { countRateLimits, listRateLimits } from '../../storage/limit/read.ts'
import { type RateLimitState, readRateLimitStates } from '../../storage/limit/states.ts'
import type { PageRequest } from '../../storage/database/page.ts'
import { seesConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { connect, connectionType, pageArgs, pageCost } from '../kit/connection.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { NodeRef, RateLimitRef, VersionedRef } from '../schema/refs.ts'
import { LimitDimension, LimitEnforcement } from './enums.ts'
import { labelsOf } from './labels.ts'
import { type ListedRow, pageOfList, placeRows } from './page-of-list.ts'
import { LimitSubjectRef, loadLimitSubject } from './subject.ts'
import { seesLimit, limitVisibilityOf, visibleIds } from './visibility.ts'

interface StateRow extends ListedRow {
  readonly state: RateLimitState
}

const LimitStateRef = builder.objectRef<StateRow>('LimitState').implement({
  description: 'What is left of a limit, over all gateways as they last told.',
  fields: (t) => ({
    labels: t.stringList({
      description: "The values of `per`, e.g. a key's name; empty where there are none.",
      resolve: ({ state }, _args, context) => labelsOf(context, state.ids),
    }),
    requestsLeft: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Requests that have room now; null: not bounded. Below 0 while there is debt.',
      resolve: ({ state }) => state.requestsLeft,
    }),
    tokensLeft: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Tokens that have room now; null: not bounded. Below 0 while there is debt.',
      resolve: ({ state }) => state.tokensLeft,
    }),
    inFlight: t.int({
      description: 'Requests under way; 0 where they are not bounded.',
      resolve: ({ state }) => state.inFlight,
    }),
    refusedLastHour: t.field({
      type: 'SafeInt',
      description: 'Requests that it refused.',
      resolve: ({ state }) => state.refusedLastHour,
    }),
    wouldRefuseLastHour: t.field({
      type: 'SafeInt',
      description: 'Requests that it would have refused if it were enforced.',
      resolve: ({ state }) => state.wouldRefuseLastHour,
    }),
    resetsAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it is full again; null: it is.',
      resolve: ({ state }) => state.resetsAt,
    }),
  }),
})

const LimitStateConnection = connectionType<StateRow>('LimitState', LimitStateRef, {
  isCounted: false,
  description: 'A page of states.',
})

builder.objectType(RateLimitRef, {
  description: `A bound on how fast a subject may be used. Every limit that matches a request must have room. One on a key, user or route refuses with
429; one on a provider, provider model or deployment makes that backend unavailable, so that the request goes to another target or the fallback.
Over any interval of t minutes at most \`burst + t × rate\` is admitted, over all gateways, whatever dies; a gateway without the database goes on
with its share. A new bucket is full. Tokens used beyond what was reserved become debt: the bucket goes below 0, and it is waited until it is
above. A refusal takes nothing from any limit.`,
  interfaces: [NodeRef, VersionedRef],
  authScopes: (row, context) => (seesLimit(limitVisibilityOf(context), rateLimitOf(row)) ? true : seesConfig),
  fields: (t) => ({
    subject: t.field({
      type: LimitSubjectRef,
      description: 'What it is about.',
      resolve: async (row, _args, context) => (await loadLimitSubject(context, rateLimitOf(row).subject)) as never,
    }),
    per: t.expose('per', { type: [LimitDimension], description: 'Empty: all requests of the subject share it.' }),
    requestsPerMinute: t.expose('requests_per_minute', {
      type: 'SafeInt',
      nullable: true,
      description: 'Null: not bounded.',
    }),
    tokensPerMinute: t.expose('tokens_per_minute', {
      type: 'SafeInt',
      nullable: true,
      description: "Input and output; reserved by `max_tokens` and the prompt's length, settled by what was used.",
    }),
    inFlight: t.exposeInt('in_flight', { nullable: true, description: 'Requests at the same time.' }),
    burst: t.expose('burst', {
      type: 'SafeInt',
      nullable: true,
      description: `Most that may come at once, of requests and in the same proportion of tokens; of tokens where requests are not bounded. Null: a
tenth of a minute's worth, at least 1.`,
    }),
    enforcement: t.expose('enforcement', {
      type: LimitEnforcement,
      description: 'What becomes of a request that it has no room for.',
    }),
    states: t.field({
      type: LimitStateConnection,
      description: 'Most used first; always one if `per` is empty. Without the scope `CONFIG_READ` only its own.',
      args: pageArgs(t.arg),
      complexity: pageCost,
      resolve: (row, args, context, info) => connect(context, statesOf(context, rateLimitOf(row)), args, info),
    }),
  }),
})

function statesOf(context: GraphQLContext, limit: RateLimit) {
  let rows: Promise<StateRow[]> | undefined
  return {
    list: `RateLimit.states ${limit.id}`,
    read: async (request: PageRequest) => pageOfList(await (rows ??= listStates(context, limit)), request),
  }
}

async function listStates(context: GraphQLContext, limit: RateLimit): Promise<StateRow[]> {
  const sight = limitVisibilityOf(context)
  const used = await readRateLimitStates(context.db, limit.id)
  const states = used.length === 0 && limit.per.length === 0 ? [unused] : used
  const visible = states.filter(({ ids }) => sight.seesState(limit, ids))
  return placeRows(visible.map((state) => ({ id: state.ids.join(' '), state: ofLimit(limit, state) })))
}

const unused: RateLimitState = {
  ids: [],
  requestsLeft: null,
  tokensLeft: null,
  inFlight: 0,
  refusedLastHour: 0,
  wouldRefuseLastHour: 0,
  resetsAt: null,
}

/** What nothing was used of is full, and what the limit does not bound any more has nothing left to tell. */
function ofLimit(limit: RateLimit, state: RateLimitState): RateLimitState {
  const requests = requestRate(limit)
  const tokens = tokenRate(limit)
  return {
    ...state,
    requestsLeft: requests && (state.requestsLeft ?? requests.burst),
    tokensLeft: tokens && (state.tokensLeft ?? tokens.burst),
  }
}

const RateLimitConnection = connectionType('RateLimit', RateLimitRef, {
  isCounted: true,
  description: 'A page of rate limits.',
})

builder.queryField('rateLimits', (t) =>
  t.field({
    type: RateLimitConnection,
    description: `In order of creation. With the scope \`CONFIG_READ\` all of them; else those that bind the caller's own keys: on its user, its keys,
the routes that these may call, and the installation.`,
    complexity: pageCost,
    args: {
      ...pageArgs(t.arg),
      subjectId: t.arg.id({ description: 'Only those about this object; omitted: all.' }),
    },
    resolve: (_root, { subjectId = null, ...args }, context, info) => {
      const { db, control } = context
      const ids = visibleIds(limitVisibilityOf(context), control.snapshots.current().limits.rateLimits.values())
      const filter = { subjectId, ids }
      const source = {
        list: 'rateLimits',
        read: (request: PageRequest) => listRateLimits(db, filter, request),
        count: () => countRateLimits(db, filter),
      }
      return connect(context, source, args, info)
    },
  }),
)
