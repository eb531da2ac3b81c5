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
import { NodeRef, VersionedRef } from '../schema/refs.ts'
import { RateLimitRef } from './ref.ts'
import { LimitDimension, LimitEnforcement } from './enums.ts'
import { labelsOf } from './labels.ts'
import { type ListedRow, pageOfList, placeRows } from './page-of-list.ts'
import { LimitSubjectRef, loadLimitSubject } from './subject.ts'
import { seesLimit, limitVisibilityOf, visibleIds } from './visibility.ts'

interface StateRow extends ListedRow {
  readonly state: RateLimitState
}

const LimitStateRef = builder.objectRef<StateRow>('LimitState').implement({
  description: 'What is left of a limit, over all gateways as last reported.',
  fields: (t) => ({
    labels: t.stringList({
      description: "The names for the values of `per`, e.g. a key's name; empty if `per` is empty.",
      resolve: ({ state }, _args, context) => labelsOf(context, state.ids),
    }),
    requestsLeft: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Requests that have room now; null: not bounded. Negative while more was used than allowed.',
      resolve: ({ state }) => state.requestsLeft,
    }),
    tokensLeft: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Tokens that have room now; null: not bounded. Negative while more was used than allowed.',
      resolve: ({ state }) => state.tokensLeft,
    }),
    inFlight: t.int({
      description: 'Requests in flight; 0 if they are not bounded.',
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
      description: 'When it has its full burst again; null if it has now.',
      resolve: ({ state }) => state.resetsAt,
    }),
  }),
})

const LimitStateConnection = connectionType<StateRow>('LimitState', LimitStateRef, {
  isCounted: false,
  description: 'A page of states.',
})

builder.objectType(RateLimitRef, {
  description:
    'A bound on how fast a subject may be used. Every limit that matches a request must have room. A limit on a key, user or route refuses with 429. A limit on a provider, provider model or deployment makes that backend unavailable, so that the request goes to another target or the fallback. Over any interval of t minutes at most `burst + t × rate` is admitted over all gateways, even if gateways stop; a gateway without the database goes on with its share. A new limit begins with its full burst. Tokens used beyond the reservation are debt: what is left becomes negative, and the limit has no room until it is positive again. A refused request takes nothing from any limit.',
  interfaces: [NodeRef, VersionedRef],
  authScopes: (row, context) => (seesLimit(limitVisibilityOf(context), rateLimitOf(row)) ? true : seesConfig),
  fields: (t) => ({
    subject: t.field({
      type: LimitSubjectRef,
      description: 'The object to which it applies.',
      resolve: async (row, _args, context) => (await loadLimitSubject(context, rateLimitOf(row).subject)) as never,
    }),
    per: t.expose('per', {
      type: [LimitDimension],
      description: 'It is counted separately for each value of these; empty: all requests of the subject share it.',
    }),
    requestsPerMinute: t.expose('requests_per_minute', {
      type: 'SafeInt',
      nullable: true,
      description: 'Most requests per minute; null: not bounded.',
    }),
    tokensPerMinute: t.expose('tokens_per_minute', {
      type: 'SafeInt',
      nullable: true,
      description:
        'Most input and output tokens per minute; null: not bounded. `max_tokens` and the length of the prompt are reserved before a request, and corrected to the tokens used after it.',
    }),
    inFlight: t.exposeInt('in_flight', {
      nullable: true,
      description: 'Most requests at the same time; null: not bounded.',
    }),
    burst: t.expose('burst', {
      type: 'SafeInt',
      nullable: true,
      description:
        'Most requests that may arrive at once, and tokens in the same proportion; if requests are not bounded, most tokens at once. Null: a tenth of the rate per minute, at least 1.',
    }),
    enforcement: t.expose('enforcement', {
      type: LimitEnforcement,
      description: 'What happens to a request that it has no room for.',
    }),
    states: t.field({
      type: LimitStateConnection,
      description:
        'What is left, the most used state first; always exactly one state if `per` is empty. A caller without the scope `CONFIG_READ` gets only its own.',
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

/** The state to show: a unit without a stored state is full, and a unit that the limit no longer bounds is null. */
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
    description:
      'In order of creation. A caller with the scope `CONFIG_READ` gets all; another caller gets those that apply to its own keys: those on its user, its keys, the routes that these keys may call, and the installation.',
    complexity: pageCost,
    args: {
      ...pageArgs(t.arg),
      subjectId: t.arg.id({ description: 'Only those that apply to this object; omitted: all.' }),
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
