import { findRoute } from '../../storage/route/read.ts'
import { readsConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { badUserInput, fault } from '../kit/fault.ts'
import type { RouteTrafficReport } from '../../routing/traffic/window.ts'
import { RouteRefInput } from '../kit/references-input.ts'
import { RouteTrafficRef } from './traffic.ts'
import { openSubscription, type SubscriptionQueue, valueOfEvent } from '../kit/subscription.ts'

type TrafficEvent = RouteTrafficReport & { readonly sequence: number }

builder.subscriptionField('routeTraffic', (t) =>
  t.field({
    type: RouteTrafficRef,
    description:
      'The live split of a route. The first event comes at once, further events every `intervalMs` and at once after each new revision. Each event is complete in itself; a slow reader gets only the latest. `intervalMs`: 250 to 60,000; `windowMs`: 1,000 to 300,000.',
    authScopes: readsConfig,
    args: {
      by: t.arg({ type: RouteRefInput, required: true, description: 'Which route.' }),
      intervalMs: t.arg.int({ required: true, defaultValue: 1000, description: '250 to 60,000.' }),
      windowMs: t.arg.int({ required: true, defaultValue: 10_000, description: '1,000 to 300,000.' }),
    },
    subscribe: async (_root, { by, intervalMs, windowMs }, context) => {
      requireBetween('intervalMs', intervalMs, 250, 60_000)
      requireBetween('windowMs', windowMs, 1_000, 300_000)
      const route = await findRoute(context.db, by)
      if (!route) throw fault('NOT_FOUND', 'There is no such route.')
      return watchTraffic(context, route.id, { intervalMs, windowMs })
    },
    resolve: (event, _args, context) => valueOfEvent(event, context),
  }),
)

function requireBetween(argument: string, value: number, least: number, most: number): void {
  if (value < least || value > most) throw badUserInput(`\`${argument}\` is ${least} to ${most}.`)
}

function watchTraffic(
  context: GraphQLContext,
  routeId: string,
  options: { intervalMs: number; windowMs: number },
): SubscriptionQueue<TrafficEvent> {
  const queue: SubscriptionQueue<TrafficEvent> = openSubscription(context, {
    scopes: readsConfig,
    capacity: 1,
    overflow: 'DROP_OLDEST',
  })
  let sequence = 0
  queue.onEnd(
    context.live.traffic.watch(routeId, options, (report) =>
      queue.push({ value: { ...report, sequence: ++sequence } }),
    ),
  )
  return queue
}
