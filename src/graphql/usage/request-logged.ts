import { matchesUsageFilter } from '../../routing/usage/filter.ts'
import type { UsageRecord } from '../../routing/usage/record.ts'
import { readsUsage } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { RequestLogRef } from './ref.ts'
import { openSubscription, type SubscriptionQueue, valueOfEvent } from '../kit/subscription.ts'
import { UsageFilterInput } from './input.ts'
import { maySeeUsage, visibleUsage } from './visibility.ts'

interface RequestLogged {
  readonly record: UsageRecord
  readonly dropped: number
}

const RequestLoggedRef = builder.objectRef<RequestLogged>('RequestLogged').implement({
  description: 'A request that has just ended.',
  fields: (t) => ({
    requestLog: t.field({ type: RequestLogRef, description: 'The request.', resolve: ({ record }) => record }),
    dropped: t.expose('dropped', {
      type: 'SafeInt',
      description: 'Matching requests left out since the previous event.',
    }),
  }),
})

/** Most requests that wait for the reader. */
const capacity = 16

builder.subscriptionField('requestLogged', (t) =>
  t.field({
    type: RequestLoggedRef,
    description:
      'Requests as they end. For a slow reader requests are left out instead of queued; `dropped` says how many. A member sees only its own requests.',
    authScopes: readsUsage,
    args: { filter: t.arg({ type: UsageFilterInput, description: 'Omitted: all requests.' }) },
    subscribe: (_root, args, context) => {
      const queue: SubscriptionQueue<RequestLogged> = openSubscription(context, {
        scopes: readsUsage,
        capacity,
        overflow: 'DROP_NEWEST',
      })
      const unsubscribe = context.live.onRequest((record) => {
        if (!matchesUsageFilter(record, visibleUsage(context.actor, args.filter))) return
        const { dropped } = queue
        // Each queued event carries the number of events dropped before it; an event that does not fit is counted in the next one.
        if (queue.push({ value: { record, dropped } })) queue.dropped = 0
      })
      queue.onEnd(unsubscribe)
      // The role of the caller may have changed since the event was queued, so it is checked again.
      return queue.only((event) => 'fault' in event || maySeeUsage(context.actor, event.value.record))
    },
    resolve: (event, _args, context) => valueOfEvent(event, context),
  }),
)
