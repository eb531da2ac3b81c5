import { matchesUsageFilter } from '../../routing/usage/filter.ts'
import type { UsageRecord } from '../../routing/usage/record.ts'
import { readsUsage } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { RequestLogRef } from '../schema/refs.ts'
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

/** Requests that wait for a reader between two of its reads. */
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
        // Its place in the queue says how many were left out before it; one that finds no room is counted itself.
        if (queue.push({ value: { record, dropped } })) queue.dropped = 0
      })
      queue.onEnd(unsubscribe)
      // Who has become a member since an event was queued does not get it any more.
      return queue.only((event) => 'fault' in event || maySeeUsage(context.actor, event.value.record))
    },
    resolve: (event, _args, context) => valueOfEvent(event, context),
  }),
)
